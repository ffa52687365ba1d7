"""Change and delete an object that was read, unless it has changed since."""

from collections.abc import Mapping

import click

from proxy.cli.client.server_session import Answer, Item, ServerSession, path_of
from proxy.cli.output.columns import Kind
from proxy.cli.output.printer import Printer


async def change_and_print(
    session: ServerSession,
    printer: Printer,
    kind: Kind,
    before: Answer,
    patch: Mapping[str, object],
    *,
    done: str = "changed",
) -> None:
    """Send a merge patch (RFC 7396), and print what was ``done`` to the object."""
    answer = await session.send("PATCH", _path(kind, before), patch, if_match=before.etag)
    changed = answer.data
    printer.done(f"{done} {_shown(kind, changed)}", kind, changed)


async def delete_and_print(session: ServerSession, kind: Kind, before: Answer) -> None:
    """Delete an object, and print that."""
    await session.send("DELETE", _path(kind, before), if_match=before.etag)
    click.echo(f"deleted {_shown(kind, before.data)}")


def _path(kind: Kind, before: Answer) -> str:
    return path_of(f"{kind.noun}s", str(before.data["id"]))


def _shown(kind: Kind, item: Item) -> str:
    return f"{kind.noun} {item[kind.name]} ({item['id']})"
