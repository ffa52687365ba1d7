"""``sekisho user``: users at a server, for managers of users."""

import click

from proxy.cli.client.name_completion import USERS
from proxy.cli.client.server_command import server_command
from proxy.cli.client.server_session import Item, ServerSession, path_of
from proxy.cli.command_group import CommandGroup
from proxy.cli.output.columns import Column, Kind, age_of
from proxy.cli.output.options import printed
from proxy.cli.output.printer import Printer
from proxy.cli.prompts import confirmed, new_password
from proxy.cli.verbs.changes import change_and_print, delete_and_print
from proxy.cli.verbs.listing import Filter, Listing, list_command
from proxy.cli.verbs.lookup import find_user, read_user
from proxy.cli.verbs.options import given, moved_command, moved_option, require_change, yes_option
from proxy.cli.verbs.token import TOKENS


def _providers(item: Item) -> str:
    return ", ".join(sorted({one["provider"] for one in item["principals"]}))


USER = Kind(
    "user",
    (
        Column("NAME", "username"),
        Column("DISPLAY NAME", "display_name"),
        Column("ENABLED", "enabled"),
        Column("ADMINISTRATOR", "administrator"),
        Column("PROVIDERS", _providers),
        Column("AGE", age_of("created_at")),
        Column("ID", "id"),
        Column("PRINCIPALS", lambda item: [one["id"] for one in item["principals"]], wide=True),
    ),
    name="username",
)

YES_NO = ("true", "false")

LIST = Listing(
    USER,
    "/v1/users",
    sorts=("username", "display_name", "created_at", "id"),
    filters=(
        Filter("username", "List only users with this username."),
        Filter("enabled", "List only enabled users, or only disabled ones.", choices=YES_NO),
        Filter("administrator", "List only administrators, or only others.", choices=YES_NO),
    ),
)

_password_stdin = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input."
)


@click.group(cls=CommandGroup)
def user() -> None:
    """Work with users. To act on a user, you must hold all that the user holds."""


user.add_command(list_command(LIST, "List users."))


@user.command()
@click.argument("name", metavar="USER", shell_complete=USERS)
@server_command
@printed
async def show(session: ServerSession, printer: Printer, name: str) -> None:
    """Show a user, by id, principal, or username."""
    printer.one(USER, await find_user(session, name))


@user.command()
@click.argument("name")
@click.option("--display-name", help="Name to display. Default: NAME.")
@_password_stdin
@click.option("--no-password", is_flag=True, help="Set none: the user cannot sign in yet.")
@moved_option("--admin", to="user create", is_flag=True)
@moved_option("--must-change", to="user create", is_flag=True)
@moved_option("--principal", to="user create")
@server_command
@printed
async def create(
    session: ServerSession,
    printer: Printer,
    name: str,
    display_name: str | None,
    password_stdin: bool,
    no_password: bool,
) -> None:
    """Create a local user. The user must change the password within 24 hours.

    To make an administrator, run `sekisho binding create administrator --user NAME` afterwards.
    """
    if password_stdin and no_password:
        raise click.UsageError("give either --password-stdin or --no-password")
    password = None if no_password else new_password(stdin=password_stdin)
    body = {"username": name, **given(display_name=display_name, password=password)}
    made = (await session.send("POST", "/v1/users", body)).data
    printer.done(f"created user {made['username']} ({made['id']})", USER, made)


@user.command()
@click.argument("name", metavar="USER", shell_complete=USERS)
@click.option("--display-name", help="Name to display.")
@server_command
@printed
async def edit(
    session: ServerSession, printer: Printer, name: str, display_name: str | None
) -> None:
    """Change a user."""
    body = given(display_name=display_name)
    require_change(body)
    await change_and_print(session, printer, USER, await read_user(session, name), body)


@user.command()
@click.argument("name", metavar="USER", shell_complete=USERS)
@yes_option
@server_command
@printed
async def disable(session: ServerSession, printer: Printer, name: str, yes: bool) -> None:
    """Disable a user. Sessions, tokens and running requests end immediately."""
    found = await read_user(session, name)
    who = f"{found.data['username']} ({found.data['id']})"
    confirmed(f"This ends all sessions and running requests of {who}.", yes=yes)
    await change_and_print(session, printer, USER, found, {"enabled": False}, done="disabled")


@user.command()
@click.argument("name", metavar="USER", shell_complete=USERS)
@server_command
@printed
async def enable(session: ServerSession, printer: Printer, name: str) -> None:
    """Enable a user again."""
    found = await read_user(session, name)
    await change_and_print(session, printer, USER, found, {"enabled": True}, done="enabled")


@user.command()
@click.argument("name", metavar="USER", shell_complete=USERS)
@yes_option
@server_command
async def delete(session: ServerSession, name: str, yes: bool) -> None:
    """Delete a user with all tokens and roles. What the user created stays."""
    found = await read_user(session, name)
    one = found.data
    confirmed(
        f"This deletes {one['username']} ({one['id']}) with all tokens, sessions and roles.",
        yes=yes,
    )
    await delete_and_print(session, USER, found)


@user.command()
@click.argument("name", metavar="USER", shell_complete=USERS)
@_password_stdin
@click.option("--revoke-tokens", is_flag=True, help="Also revoke API tokens and kubeconfigs.")
@server_command
async def password(
    session: ServerSession, name: str, password_stdin: bool, revoke_tokens: bool
) -> None:
    """Set a password, which the user must change within 24 hours. Sessions end."""
    found = await find_user(session, name)
    body = {
        "new_password": new_password(stdin=password_stdin),
        "revoke_tokens": revoke_tokens,
    }
    await session.send("POST", path_of("users", str(found["id"]), "password"), body)
    click.echo(f"set the password of {found['username']} ({found['id']}); sessions ended")


@user.command()
@click.argument("name", metavar="USER", shell_complete=USERS)
@server_command
@printed
async def refresh(session: ServerSession, printer: Printer, name: str) -> None:
    """Query the user's providers now: is the user still there, and in which groups?"""
    found = await find_user(session, name)
    path = path_of("users", str(found["id"]), "refresh")
    answer = (await session.send("POST", path)).data
    await printer.rows(REFRESHED, answer["items"], empty="The user has no principal to refresh.")


REFRESHED = Kind(
    "principal",
    (Column("PRINCIPAL", "principal"), Column("RESULT", "result")),
    name="principal",
    key="principal",
)


async def _tokens_of(session: ServerSession, name: str) -> str:
    found = await find_user(session, name)
    return f"/v1/tokens?user={found['id']}"


user.add_command(
    list_command(
        TOKENS.at(_tokens_of, (click.Argument(["name"], metavar="USER", shell_complete=USERS),)),
        "List the tokens and sessions of a user.",
        "tokens",
    )
)


@user.command("revoke-tokens")
@click.argument("name", metavar="USER", shell_complete=USERS)
@yes_option
@server_command
async def revoke_tokens(session: ServerSession, name: str, yes: bool) -> None:
    """Revoke all tokens and sessions of a user."""
    found = await find_user(session, name)
    who = f"{found['username']} ({found['id']})"
    confirmed(f"This revokes all tokens, kubeconfigs and sessions of {who}.", yes=yes)
    answer = await session.send("DELETE", path_of("users", str(found["id"]), "tokens"))
    click.echo(f"revoked {answer.data['revoked']} tokens and sessions of {who}")


user.add_command(moved_command("set-password", to="user set-password"))
