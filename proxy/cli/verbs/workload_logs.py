"""``sekisho workload logs``: the log of a container of a workload."""

import sys
from collections.abc import AsyncIterator

import click

from proxy.cli.client.server_client import Unreachable
from proxy.cli.client.server_command import server_command
from proxy.cli.client.server_session import ServerSession
from proxy.cli.client.text_stream import open_text
from proxy.cli.common import CommandFailed, plain
from proxy.cli.durations import DURATION, Ttl
from proxy.cli.verbs.workload_log_text import TerminalText
from proxy.cli.verbs.workload_target import Target, on_workload

_BROKEN = (
    "the log broke off: the connection failed, or your access has ended; run the command again, "
    "with --since for what is missing"
)


@click.command()
@server_command
@on_workload
@click.option("--pod", metavar="POD", help="Of this pod. Default: a ready one.")
@click.option("--container", metavar="CONTAINER", help="Of this container of the pod.")
@click.option("-f", "--follow", is_flag=True, help="Print what is written until Ctrl-C.")
@click.option("-p", "--previous", is_flag=True, help="Of the container's last run.")
@click.option("--timestamps", is_flag=True, help="Begin each line with its time.")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="Only the last N lines.")
@click.option("--since", type=DURATION, metavar="DURATION", help="Only of the last 10m, 2h, 1d.")
async def logs(
    session: ServerSession,
    target: Target,
    pod: str | None,
    container: str | None,
    follow: bool,
    previous: bool,
    timestamps: bool,
    tail: int | None,
    since: Ttl,
) -> None:
    """Print the log of a container of a workload.

    On a terminal, control characters other than colours are replaced. Pipes and files get the log
    as the container wrote it.
    """
    query = {
        "pod": pod,
        "container": container,
        "follow": follow or None,
        "previous": previous or None,
        "timestamps": timestamps or None,
        "tail": tail,
        "since": max(1, int(since.total_seconds())) if since is not None else None,
    }
    async with open_text(session, target.path("logs"), **query) as stream:
        if pod is None or container is None:
            names = (stream.headers.get(f"sekisho-{one}", "?") for one in ("container", "pod"))
            click.echo(plain("log of container {} in pod {}".format(*names)), err=True)
        try:
            await _print(stream.pieces)
        except Unreachable:
            raise CommandFailed(_BROKEN) from None


async def _print(pieces: AsyncIterator[bytes]) -> None:
    """Print a log as it arrives."""
    if not sys.stdout.isatty():
        async for piece in pieces:
            click.echo(piece, nl=False)
        return
    text = TerminalText()
    try:
        async for piece in pieces:
            click.echo(text.feed(piece), nl=False)
    finally:
        # Also after Ctrl-C, so that the shell's prompt does not have the colour of the log.
        click.echo(text.end(), nl=False)
