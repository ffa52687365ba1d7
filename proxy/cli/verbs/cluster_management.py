"""``sekisho cluster management``: clusters in which an engine makes clusters to order."""

from collections.abc import Mapping
from typing import Any

import click

from proxy.cli.client.name_completion import CLUSTERS
from proxy.cli.client.problems import Refused
from proxy.cli.client.server_command import server_command
from proxy.cli.client.server_session import Answer, Item, ServerSession, path_of
from proxy.cli.command_group import CommandGroup
from proxy.cli.common import plain
from proxy.cli.output.columns import Column, Kind, time_of
from proxy.cli.output.options import printed
from proxy.cli.output.printer import Printer
from proxy.cli.prompts import confirmed
from proxy.cli.verbs.options import given, yes_option

_cluster = click.argument("name", metavar="CLUSTER", shell_complete=CLUSTERS)
_limit = click.IntRange(min=0)


def _classes(item: Item) -> object:
    return [_class_text(one) for one in item["classes"]] or "all in the namespace"


def _class_text(one: Mapping[str, Any]) -> str:
    roles = f"={','.join(one['roles'])}" if one["roles"] else ""
    limit = f" (at most {one['clusters']})" if one["clusters"] is not None else ""
    return f"{one['name']}{roles}{limit}"


def _limits(item: Item) -> object:
    return {key: one for key, one in item["limits"].items() if one is not None} or "the settings'"


MANAGEMENT = Kind(
    "management",
    (
        Column("ID", "id"),
        Column("NAMESPACE", "namespace"),
        Column("CLASSES", _classes),
        Column("LIMITS", _limits),
        Column("TOKEN UNTIL", time_of("token_expires_at")),
        Column("PROBLEM", "unreadable"),
    ),
    name="id",
)


@click.group(cls=CommandGroup)
def management() -> None:
    """Make imported clusters management clusters, in which others are ordered."""


@management.command()
@_cluster
@click.option(
    "--namespace", metavar="NAMESPACE", help="Where its classes are, and ordered clusters will be."
)
@click.option(
    "--class",
    "classes",
    multiple=True,
    metavar="CLASS[=ROLE,…]",
    help="A class that may be ordered from, by holders of these global roles. Repeatable.",
)
@click.option(
    "--class-limit",
    "class_limits",
    multiple=True,
    metavar="CLASS=N",
    help="How many clusters of one of these classes may exist. Repeatable.",
)
@click.option("--all-classes", is_flag=True, help="Allow every class in the namespace.")
@click.option(
    "--clusters-per-user", type=_limit, metavar="N", help="How many clusters a user may order."
)
@click.option(
    "--workers-per-cluster", type=_limit, metavar="N", help="How many workers a cluster may have."
)
@click.option("--workers", type=_limit, metavar="N", help="How many workers all may have together.")
@click.option(
    "--take-over",
    is_flag=True,
    help="Take the cluster from another Sekisho, which can then order nothing there.",
)
@server_command
@printed
async def enable(
    session: ServerSession,
    printer: Printer,
    name: str,
    namespace: str | None,
    classes: tuple[str, ...],
    class_limits: tuple[str, ...],
    all_classes: bool,
    take_over: bool,
    **limits: int | None,
) -> None:
    """Make a cluster a management cluster, or change how clusters are ordered in it.

    It must run Cluster API. What you do not give is left as it is; at first, every class in the
    namespace is allowed, and the limits are those of the server's settings.
    """
    if all_classes and (classes or class_limits):
        raise click.UsageError("give either --all-classes, or --class")
    before = await _present(session, name)
    known = _sent(before.data) if before is not None else {}
    if namespace is None and not known:
        raise click.UsageError("give --namespace, the namespace with the classes")
    wanted = _classes_of(classes, class_limits)
    body = {
        "namespace": namespace or known["namespace"],
        "classes": wanted if classes or all_classes else known.get("classes") or [],
        "limits": known.get("limits", {}) | given(**limits),
    }
    answer = await session.send(
        *("PUT", path_of("clusters", name, "provisioning"), body),
        if_match=before.etag if before is not None else None,
        take_over=True if take_over else None,
    )
    done = f"clusters can be ordered in cluster {name}, in namespace {answer.data['namespace']}"
    printer.done(plain(done), MANAGEMENT, answer.data)


@management.command()
@_cluster
@server_command
@printed
async def show(session: ServerSession, printer: Printer, name: str) -> None:
    """Show from which classes clusters can be ordered in a management cluster, and its limits."""
    found = (await session.read(path_of("clusters", name, "provisioning"))).data
    if printer.format in {"table", "wide"}:
        found = await _with_role_names(session, found)
    printer.one(MANAGEMENT, found)


@management.command()
@_cluster
@click.option(
    "--keep-cluster-objects",
    is_flag=True,
    help="Leave Sekisho's account for orders in the cluster, which will not be back.",
)
@yes_option
@server_command
async def disable(session: ServerSession, name: str, keep_cluster_objects: bool, yes: bool) -> None:
    """Make a management cluster an ordinary one. It must have no ordered clusters."""
    path = path_of("clusters", name, "provisioning")
    before = await _present(session, name)  # None: an account may have been left in the cluster
    confirmed(plain(f"No cluster can be ordered in cluster {name} afterwards."), yes=yes)
    keep = True if keep_cluster_objects else None
    etag = before.etag if before is not None else None
    await session.send("DELETE", path, if_match=etag, keep_cluster_objects=keep)
    click.echo(plain(f"cluster {name} is an ordinary cluster"))


async def _present(session: ServerSession, name: str) -> Answer | None:
    """Return how a cluster is a management cluster; None if it is none."""
    await session.get(path_of("clusters", name))  # 404 for another reason
    try:
        return await session.read(path_of("clusters", name, "provisioning"))
    except Refused as exc:
        if exc.status == 404:
            return None
        raise


def _sent(item: Item) -> dict[str, Any]:
    """Return what the API takes of what it returned."""
    return {
        "namespace": item["namespace"],
        "classes": [dict(one) for one in item["classes"]],
        "limits": dict(item["limits"]),
    }


def _classes_of(texts: tuple[str, ...], limits: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return ``CLASS=ROLE,…`` and ``CLASS=N`` texts as classes. Raises UsageError."""
    found: dict[str, dict[str, Any]] = {}
    for one in texts:
        name, equals, roles = one.partition("=")
        listed = [role.strip() for role in roles.split(",")] if equals else []
        if not name or not all(listed):
            raise click.UsageError(f"--class {one}: write it like CLASS or CLASS=ROLE,ROLE")
        if name in found:
            raise click.UsageError(f"--class {one}: the class {name} is given twice")
        found[name] = {"name": name, "roles": listed}
    for one in limits:
        name, _, number = one.partition("=")
        if name not in found or not (number.isascii() and number.isdigit() and len(number) < 7):
            raise click.UsageError(
                f"--class-limit {one}: write it like CLASS=N, for a class of --class"
            )
        found[name]["clusters"] = int(number)
    return list(found.values())


async def _with_role_names(session: ServerSession, found: Item) -> Item:
    names = {one["id"]: one["name"] async for one in session.list("/v1/roles")}
    classes = [
        {**one, "roles": [names.get(role, role) for role in one["roles"]]}
        for one in found["classes"]
    ]
    return {**found, "classes": classes}
