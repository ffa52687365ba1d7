"""Options of an order, and the body of the request that they make."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from proxy.cli.client.server_session import Item, ServerSession
from proxy.cli.common import CommandFailed, warn
from proxy.cli.durations import DURATION
from proxy.cli.verbs.class_variables import Schema, with_set
from proxy.cli.verbs.options import given, read_object

_POOL = re.compile(r"(?P<name>[^=:]+)=(?P<replicas>[0-9]{1,9})(?::(?P<worker_class>[^=:]+))?")

CLASSES = "/v1/provisioning/classes"

_FILE = click.Path(path_type=Path)


def order_options(command: Any) -> Any:
    """Add the options of an order to a command."""
    for option in reversed(
        (
            click.option(
                "--class", "class_name", required=True, metavar="CLASS", help="Its class."
            ),
            click.option(
                "--version", required=True, metavar="VERSION", help="Kubernetes, such as v1.36.3."
            ),
            click.option(
                "--workers", type=click.IntRange(min=0), metavar="N", help="How many workers."
            ),
            click.option(
                "--pool",
                "pools",
                multiple=True,
                metavar="NAME=N[:CLASS]",
                help="A pool of N workers, and their class. Default: the first. Repeatable.",
            ),
            click.option(
                "--management",
                metavar="CLUSTER",
                help="The management cluster, if several have the class.",
            ),
            click.option(
                "--control-plane",
                type=click.IntRange(min=1),
                metavar="N",
                help="How many control plane machines. Default: the class's.",
            ),
            variable_options,
            click.option(
                "--reach",
                type=click.Choice(["direct", "agent"]),
                help="How Sekisho reaches the cluster. Default: direct.",
            ),
        )
    ):
        command = option(command)
    return command


def variable_options(command: Any) -> Any:
    """Add ``--set`` and ``--values`` to a command."""
    texts = click.option(
        "--set",
        "texts",
        multiple=True,
        metavar="KEY=VALUE",
        help="A variable of the class; KEY.FIELD in an object. Lists as JSON, null to leave it "
        "out. Repeatable.",
    )
    values = click.option(
        "--values",
        type=_FILE,
        metavar="FILE",
        help="Variables as YAML or JSON (- is standard input).",
    )
    return texts(values(command))


def wait_options(command: Any) -> Any:
    """Add ``--wait`` and ``--timeout`` to a command."""
    timeout = click.option(
        "--timeout",
        type=DURATION,
        metavar="DURATION",
        help="With --wait: how long, such as 30m. Default: until Ctrl-C.",
    )
    wait = click.option("--wait", is_flag=True, help="Show each step until the cluster is ready.")
    return wait(timeout(command))


def pools_of(texts: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return ``NAME=N[:CLASS]`` texts as pools. Raises UsageError."""
    found: dict[str, dict[str, Any]] = {}
    for one in texts:
        match = _POOL.fullmatch(one)
        if match is None:
            raise click.UsageError(
                f"--pool {one}: write it like NAME=N or NAME=N:CLASS, such as blue=3:large"
            )
        name = match["name"]
        if name in found:
            raise click.UsageError(f"--pool {one}: the pool {name} is given twice")
        found[name] = {
            "name": name,
            "replicas": int(match["replicas"]),
            **given(**{"class": match["worker_class"]}),
        }
    return list(found.values())


async def provision_body(
    session: ServerSession,
    *,
    class_name: str,
    version: str,
    workers: int | None,
    pools: tuple[str, ...],
    management: str | None,
    control_plane: int | None,
    texts: tuple[str, ...],
    values: Path | None,
    reach: str | None,
) -> dict[str, Any]:
    """Return the ``provision`` of a request. The class is read where it decides what is meant.

    Raises UsageError, CommandFailed.
    """
    if (workers is None) == (not pools):
        raise click.UsageError("give --workers N, or --pool NAME=N, and not both")
    variables: Mapping[str, Any] = read_object(values) if values is not None else {}
    listed = pools_of(pools)
    if texts or any("class" not in one for one in listed):
        found = await find_class(session, class_name, management)
        variables = with_set(variables, texts, schemas_of(found))
        for one in listed:
            one.setdefault("class", _first_worker_class(found))
    body: dict[str, Any] = {"class": class_name, "version": version}
    if control_plane is not None:
        body["control_plane"] = {"replicas": control_plane}
    return body | given(
        management=management,
        workers=workers,
        pools=listed or None,
        variables=dict(variables) or None,
        reach=reach,
    )


async def list_classes(session: ServerSession) -> list[Item]:
    """Return all classes, with a warning for each management cluster that could not be read."""
    pages: list[Item] = []
    found = [one async for one in session.list(CLASSES, on_page=pages.append)]
    for one in pages[0].get("away") or ():
        warn(f"classes of {one.get('management')} are not known: {one.get('problem')}")
    return found


async def find_class(session: ServerSession, name: str, management: str | None) -> Item:
    """Return the class of that name.

    Raises:
        CommandFailed: there is none, or several management clusters have it.
    """
    every = await list_classes(session)
    found = [
        one
        for one in every
        if one["name"] == name and management in {None, one["management"], one["management_name"]}
    ]
    if len(found) == 1:
        return found[0]
    where = f" in {management}" if management else ""
    if not found:
        listed = ", ".join(sorted({str(one["name"]) for one in every})) or "none"
        raise CommandFailed(f'no class "{name}"{where} that you may order; there is {listed}')
    clusters = ", ".join(str(one["management_name"]) for one in found)
    raise CommandFailed(
        f'several management clusters have a class "{name}": give --management, one of {clusters}'
    )


def schemas_of(found: Item) -> dict[str, Schema]:
    """Return the schemas of a class's variables by name."""
    return {str(one["name"]): one.get("schema") or {} for one in found["variables"] or ()}


def _first_worker_class(found: Item) -> str:
    workers = found["workers"]
    if not workers:
        raise CommandFailed(f"class {found['name']} has no classes of workers: give --workers 0")
    return str(workers[0]["name"])
