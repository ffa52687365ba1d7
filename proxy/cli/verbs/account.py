"""``sekisho account``: the accounts at providers with which the signed-in user signs in."""

import click

from proxy.cli.client.server_command import server_command
from proxy.cli.client.server_session import Item, ServerSession, path_of
from proxy.cli.command_group import CommandGroup
from proxy.cli.common import CommandFailed, read_password
from proxy.cli.output.columns import Column, Kind
from proxy.cli.output.options import printed
from proxy.cli.output.printer import Printer
from proxy.cli.prompts import ask, confirmed
from proxy.cli.verbs.options import yes_option

STATES = {"ok": "current", "failing": "not confirmed", "sign_in_needed": "sign in again"}

ACCOUNT = Kind(
    "account",
    (
        Column("ACCOUNT", "display_name"),
        Column("PROVIDER", "provider"),
        Column("STATE", lambda item: STATES.get(item["refresh"], item["refresh"])),
        Column("PRINCIPAL", "id"),
    ),
    name="id",
)


@click.group(cls=CommandGroup)
def account() -> None:
    """Work with the accounts at providers that are you.

    Another user's are in `sekisho user show NAME -o wide`; only their user links and unlinks them.
    """


@account.command("list")
@server_command
@printed
async def list_accounts(session: ServerSession, printer: Printer) -> None:
    """List the accounts with which you can sign in."""
    await printer.rows(ACCOUNT, (await session.get("/v1/me"))["principals"])


@account.command()
@click.argument("provider")
@click.option("--username", help="Your username at the provider.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@server_command
@printed
async def link(
    session: ServerSession,
    printer: Printer,
    provider: str,
    username: str | None,
    password_stdin: bool,
) -> None:
    """Link an account of another provider, with its username and password.

    You must have signed in recently. An account of a provider with browser sign-in is linked on
    the page "My account", because the browser proves that it is yours.
    """
    found = await _provider(session, provider)
    if "password" not in found["methods"]:
        url = f"{session.server.url}/me/account"
        raise CommandFailed(f"{provider} signs in with a browser: link the account at {url}")
    name = username or ask("Username")
    password = read_password() if password_stdin else ask("Password", hide_input=True)
    before = {one["id"] for one in (await session.get("/v1/me"))["principals"]}
    body = {"provider": provider, "username": name, "password": password}
    me = (await session.send("POST", "/v1/me/principals", body)).data
    made = [one for one in me["principals"] if one["id"] not in before]
    for one in made:
        printer.done(f"linked {one['display_name']} at {provider} ({one['id']})", ACCOUNT, one)


async def _provider(session: ServerSession, name: str) -> Item:
    """Return a provider. Raises CommandFailed."""
    known = (await session.get("/v1/providers"))["items"]
    for one in known:
        if one["name"] == name:
            return one  # type: ignore[no-any-return]
    names = ", ".join(sorted(one["name"] for one in known))
    raise CommandFailed(f'provider "{name}" not found: use one of {names}')


@account.command()
@click.argument("principal")
@yes_option
@server_command
async def unlink(session: ServerSession, principal: str, yes: bool) -> None:
    """Unlink an account, by its principal. Its tokens and sessions end.

    The last account and the one with which you are signed in cannot be unlinked.
    """
    loss = f"You can no longer sign in with {principal}; its tokens and sessions end."
    confirmed(loss, yes=yes)
    await session.send("DELETE", path_of("me", "principals", principal))
    click.echo(f"unlinked {principal}")
