"""``sekisho kubeconfig list`` and ``revoke``: what is in the file, and tokens at the server."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from proxy.cli.client.problems import Refused
from proxy.cli.client.server_command import server_command
from proxy.cli.client.server_session import ServerSession, path_of
from proxy.cli.common import CommandFailed
from proxy.cli.kubeconfig import file as kubeconfig_file
from proxy.cli.kubeconfig.merge import Managed, managed, remove
from proxy.cli.output.columns import Column, Kind, time_of
from proxy.cli.output.options import printed
from proxy.cli.output.printer import Printer

_FILE = click.option(
    *("-f", "--file", "file"),
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The kubeconfig. Default: kubectl's own.",
)

ENTRY = Kind(
    "kubeconfig",
    (
        Column("CONTEXT", "context"),
        Column("CREDENTIAL", "credential"),
        Column("EXPIRES", time_of("expires_at")),
        Column("LAST USED", time_of("last_used_at")),
        Column("CLUSTERS", "clusters"),
        Column("DESCRIPTION", "description", wide=True),
        Column("SERVER", "server", wide=True),
    ),
    name="name",
)


@click.command("list")
@_FILE
@server_command
@printed
async def list_entries(session: ServerSession, printer: Printer, file: Path | None) -> None:
    """List the server's contexts in the file, and your kubeconfig tokens at the server."""
    place = file or kubeconfig_file.default_file(os.environ)
    tokens = {str(one["name"]): one async for one in session.list("/v1/tokens", kind="kubeconfig")}
    server = session.server.url
    found = _contexts(place, session)
    rows = [_row(one.context, one.token, tokens, server) for one in found]
    used = {one.token for one in found}
    rows += [_row("", name, tokens, server) for name in tokens if name not in used]
    await printer.rows(ENTRY, rows, empty="no kubeconfigs; write one with `sekisho kubeconfig`")


def _contexts(file: Path, session: ServerSession) -> list[Managed]:
    """Return the server's contexts in a file."""
    every = managed(kubeconfig_file.load(file))
    return [one for one in every if one.owner.server == session.server.url]


def _row(
    context: str, token: str | None, tokens: Mapping[str, Mapping[str, Any]], server: str
) -> dict[str, Any]:
    known = tokens.get(token or "", {})
    gone = token is not None and not known
    return {
        "name": context or token,
        "context": context,
        "credential": "sign-in" if token is None else f"{token}{' (revoked)' if gone else ''}",
        "token": token,
        "expires_at": known.get("expires_at"),
        "last_used_at": known.get("last_used_at"),
        "clusters": known.get("clusters") or [],
        "description": known.get("description"),
        "server": server,
    }


@click.command("revoke")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All of the server's.")
@_FILE
@server_command
async def revoke_entries(
    session: ServerSession, names: tuple[str, ...], everything: bool, file: Path | None
) -> None:
    """Revoke kubeconfigs: contexts of the file, or tokens at the server.

    NAME is as `list` shows it. The token is revoked at the server, and contexts that use it are
    removed from the file.
    """
    if bool(names) == everything:
        raise click.UsageError("give either NAMEs or --all")
    place = file or kubeconfig_file.default_file(os.environ)
    tokens = {str(one["name"]) async for one in session.list("/v1/tokens", kind="kubeconfig")}
    found = _contexts(place, session)
    chosen = tokens if everything else _tokens(names, found, tokens)
    for token in sorted(chosen):
        await _revoke(session, token)
    gone = [one for one in found if everything or one.context in names or one.token in chosen]
    if gone:
        with kubeconfig_file.locked(place):
            document = kubeconfig_file.load(place)
            remove(document, [one for one in managed(document) if one in gone])
            kubeconfig_file.write(place, document.text)
    parts = [f"revoked {_count(len(chosen), 'token')}"]
    if gone:
        parts.append(f"removed {', '.join(one.context for one in gone)} from {place}")
    click.echo("; ".join(parts))


def _tokens(names: Iterable[str], found: list[Managed], tokens: set[str]) -> set[str]:
    """Return the tokens that are meant. Raises CommandFailed for a name of nothing."""
    contexts = {one.context: one for one in found}
    chosen = set()
    for name in names:
        token = name.partition(":")[0]
        if name in contexts:
            chosen |= {contexts[name].token} & tokens
        elif token in tokens:
            chosen.add(token)
        else:
            raise CommandFailed(f'no kubeconfig is called "{name}"; see `sekisho kubeconfig list`')
    return {one for one in chosen if one is not None}


async def _revoke(session: ServerSession, token: str) -> None:
    try:
        await session.send("DELETE", path_of("tokens", token))
    except Refused as exc:
        if exc.status != 404:  # another command was faster
            raise


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
