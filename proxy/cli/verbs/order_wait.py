"""Wait until an ordered cluster is ready, and show each step as the server announces it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import click

from config.durations import format_duration
from proxy.cli.client.server_client import Unreachable
from proxy.cli.client.server_session import (
    LONGEST_PAUSE_SECONDS,
    Change,
    Item,
    ServerSession,
    path_of,
)
from proxy.cli.common import CommandFailed, plain, warn
from proxy.cli.verbs.order_steps import READY, Step, step_of

_REMEDIES = {
    "refused": "change the order with `sekisho cluster upgrade` or `scale`, or remove it with "
    "`sekisho cluster remove {name} --infrastructure delete`",
    "foreign": "if its Cluster was moved or restored, attach the order to it with `sekisho cluster "
    "reattach {name}`; otherwise remove the order with `sekisho cluster remove {name} "
    "--infrastructure keep`, and order it with another name",
    "deleting": "it is being deleted",
    "released": "Sekisho no longer manages it; adopt it with `sekisho cluster adopt`",
}

Done = Callable[[Item], bool]


def is_ready(cluster: Item) -> bool:
    """Return whether an ordered cluster can be used."""
    step = step_of(cluster)
    return step is not None and step.state == READY


async def wait_until(
    session: ServerSession, cluster: Item, timeout: timedelta | None, done: Done = is_ready
) -> Item:
    """Follow an ordered cluster until it is done, and return it. Steps go to standard error.

    The stream is opened again if it breaks. A slow order is shown as slow, and waited for.

    Raises:
        CommandFailed: the order was refused, is gone, or is not done within the timeout.
    """
    name, steps = str(cluster["name"]), Steps(str(cluster["name"]))
    seconds = timeout.total_seconds() if timeout is not None else None
    try:
        async with asyncio.timeout(seconds):
            async for change in _changes(session, name):
                if change.item.get("id") != cluster["id"]:
                    continue
                if change.kind == "deleted":
                    raise CommandFailed(f"{name} is gone: it was removed meanwhile, or is renamed")
                steps.show(change.item)
                if done(change.item):  # lists leave out what is wanted
                    return await session.get(path_of("clusters", str(cluster["id"])))
    except TimeoutError:
        waited = format_duration(timeout or timedelta())
        raise CommandFailed(
            f"{name} is not ready after {waited}: {_clause(steps.last)}; the order goes on, see "
            f"`sekisho cluster show {name}`"
        ) from None
    raise CommandFailed(f"the server has ended the stream; see `sekisho cluster show {name}`")


def _clause(step: Step | None) -> str:
    """Return a step as a part of a sentence."""
    return "nothing is known of it" if step is None else str(step).rstrip(".")


class Steps:
    """Print the steps of one order, each once, with the time since the first."""

    def __init__(self, name: str, now: Callable[[], float] = time.monotonic) -> None:
        self.last: Step | None = None
        self._name = name
        self._now = now
        self._begin = now()

    def show(self, cluster: Item) -> None:
        """Print a step that differs from the last one.

        Raises:
            CommandFailed: the order will not become ready.
        """
        step = step_of(cluster)
        if step is None or step == self.last:
            return
        self.last = step
        if step.is_stopped:
            remedy = _REMEDIES[step.state].format(name=self._name)
            raise CommandFailed(f"{self._name} is {_clause(step)}; {remedy}")
        passed = format_duration(timedelta(seconds=int(self._now() - self._begin)))
        click.echo(f"{passed:>6}  {plain(str(step))}", err=True)


async def _changes(session: ServerSession, name: str) -> AsyncIterator[Change]:
    """Yield the changes of a cluster. Unlike other watches, the first connection may fail, too."""
    pause, warned = 1.0, False
    while True:
        try:
            async for change in session.watch("/v1/clusters", name=name):
                yield change
            return
        except Unreachable as exc:
            if not warned:
                warn(f"{exc}; trying again")
                warned = True
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
