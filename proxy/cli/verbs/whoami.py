"""``sekisho whoami`` and ``password``: the signed-in user."""

import click

from proxy.cli.client.problems import not_sekisho
from proxy.cli.client.server_command import server_command
from proxy.cli.client.server_session import ServerSession
from proxy.cli.common import read_password
from proxy.cli.output.columns import Column, Item, Kind
from proxy.cli.output.options import printed
from proxy.cli.output.printer import Printer
from proxy.cli.prompts import ask, new_password


def _principals(item: Item) -> str:
    return ", ".join(f"{one['id']} at {one['provider']}" for one in item["principals"])


def _groups(item: Item) -> str:
    return ", ".join(str(one["display_name"] or one["id"]) for one in item["groups"])


def _reach(item: Item) -> str:
    """Return what the token is for: ``everything``, or the places of a limited token."""
    reach = item.get("token_reach")
    if reach is None:
        return "everything"
    projects = [f"project {one['cluster_name']}/{one['name']}" for one in reach["projects"]]
    clusters = [f"cluster {one['name']}" for one in reach["clusters"]]
    return ", ".join(projects or clusters) or "nothing that you may enter"


ME = Kind(
    "user",
    (
        Column("USER", "username"),
        Column("NAME", "display_name"),
        Column("ID", "id"),
        Column("ADMINISTRATOR", "administrator"),
        Column("PRINCIPALS", _principals),
        Column("GROUPS", _groups),
        Column("TOKEN", "token"),
        Column("TOKEN FOR", _reach),
        Column("SERVER", "server"),
    ),
    name="username",
)


@click.command()
@server_command
@printed
async def whoami(session: ServerSession, printer: Printer) -> None:
    """Show who you are at the server."""
    item = await session.get("/v1/me")
    if not isinstance(item.get("id"), str):
        raise not_sekisho(session.server)
    printer.one(ME, {**item, "server": session.server.url})


@click.command()
@click.option(
    "--password-stdin",
    is_flag=True,
    help="Read the present password, and the new one on the next line, from standard input.",
)
@click.option("--revoke-tokens", is_flag=True, help="Also revoke your API tokens and kubeconfigs.")
@server_command
async def password(session: ServerSession, password_stdin: bool, revoke_tokens: bool) -> None:
    """Change your own password, if you sign in with one of Sekisho's. Other sessions end."""
    present = read_password() if password_stdin else ask("Present password", hide_input=True)
    body = {
        "current_password": present,
        "new_password": new_password(stdin=password_stdin),
        "revoke_tokens": revoke_tokens,
    }
    await session.send("POST", "/v1/me/password", body)
    click.echo("your password has been changed; your other sessions have ended")
