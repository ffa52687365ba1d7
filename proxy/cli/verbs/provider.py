"""``sekisho provider``: the ways to sign in at a server."""

from collections.abc import Mapping
from typing import Any

import click

from proxy.cli.client.name_completion import PROVIDERS
from proxy.cli.client.problems import Refused
from proxy.cli.client.server_command import server_command
from proxy.cli.client.server_session import Item, ServerSession, path_of
from proxy.cli.command_group import CommandGroup
from proxy.cli.common import read_password, warn
from proxy.cli.output.columns import Column, Kind
from proxy.cli.output.options import printed
from proxy.cli.output.printer import Printer
from proxy.cli.prompts import ask, confirmed
from proxy.cli.verbs.listing import Filter, Listing, list_command
from proxy.cli.verbs.options import given, require_change, yes_option
from proxy.cli.verbs.provider_settings import settings_of, settings_options

ACCESS_MODES = ("unrestricted", "required")


def _state(item: Item) -> str:
    if "enabled" not in item:
        return ""
    if not item["enabled"]:
        return "disabled"
    return "up" if item.get("up") else "down"


PROVIDER = Kind(
    "provider",
    (
        Column("NAME", "name"),
        Column("TYPE", lambda item: item.get("type") or item.get("kind")),
        Column("STATE", _state),
        Column("ORIGIN", "origin"),
        Column("METHODS", "methods", wide=True),
        Column("ACCESS", "access_mode", wide=True),
        Column("ALLOWED", "allowed_principals", wide=True),
        Column("ERROR", "error", wide=True),
        Column("WARNINGS", "warnings", wide=True),
    ),
    key="name",
)

RESULT = Kind(
    "test",
    (
        Column("OUTCOME", "outcome"),
        Column("REASON", "reason"),
        Column("PRINCIPAL", "principal"),
        Column("USERNAME", "username"),
        Column("DISPLAY NAME", "display_name"),
        Column("GROUPS", lambda item: [one["display_name"] for one in item.get("groups") or ()]),
        Column("WARNINGS", "warnings"),
    ),
    name="outcome",
)


async def _path(session: ServerSession) -> str:
    """Return the list with all providers and their states, if the caller may see it."""
    try:
        await session.get("/v1/provider-states", limit=1)
    except Refused as exc:
        if exc.status not in {403, 404}:
            raise
        return "/v1/providers"
    return "/v1/provider-states"


LIST = Listing(PROVIDER, _path, empty="There is no provider.", watchable=False, plain=True)


@click.group(cls=CommandGroup)
def provider() -> None:
    """Work with providers: the ways to sign in."""


provider.add_command(list_command(LIST, "List providers. Managers of providers see their states."))


TYPE = Kind(
    "type",
    (
        Column("TYPE", "type"),
        Column("FROM", "distribution"),
        Column("SETTINGS", lambda item: list((item["settings"] or {}).get("properties", ()))),
        Column("ERROR", "error"),
    ),
    name="type",
    key="type",
)

TYPES = Listing(
    TYPE,
    "/v1/provider-types",
    sorts=("type",),
    filters=(Filter("type", "List only this type."),),
    watchable=False,
)

provider.add_command(
    list_command(TYPES, "List the types of providers; -o yaml describes their settings.", "types")
)


@provider.command()
@click.argument("name", metavar="PROVIDER", shell_complete=PROVIDERS)
@server_command
@printed
async def show(session: ServerSession, printer: Printer, name: str) -> None:
    """Show a provider with its settings, except secrets."""
    item = await session.get(path_of("providers", name))
    printer.one(_with_settings(item), item)


def _with_settings(item: Item) -> Kind:
    """Return the kind with a column for each setting of this provider."""
    settings = item.get("settings")
    names = list(settings) if isinstance(settings, Mapping) else []
    return Kind(PROVIDER.noun, (*PROVIDER.columns, *(_setting(str(name)) for name in names)))


def _setting(name: str) -> Column:
    return Column(name, lambda item: item["settings"].get(name))


def _access_options(command: Any) -> Any:
    for option in reversed(
        (
            click.option("--access-mode", type=click.Choice(ACCESS_MODES), help="Who may sign in."),
            click.option("--allow", "allowed", multiple=True, help="A principal that may sign in."),
            click.option(
                "--adopt-principals",
                is_flag=True,
                help="Confirm that the known users are those of this issuer or directory.",
            ),
        )
    ):
        command = option(command)
    return command


def _fields(
    access_mode: str | None, allowed: tuple[str, ...], adopt_principals: bool
) -> dict[str, Any]:
    return given(
        access_mode=access_mode,
        allowed_principals=list(allowed) or None,
        adopt_principals=adopt_principals or None,
    )


@provider.command()
@click.argument("name")
@click.option("--type", "kind", required=True, help="activedirectory, openldap, github, oidc, …")
@settings_options
@_access_options
@click.option("--disabled", is_flag=True, help="Don't let anyone sign in with it yet.")
@server_command
@printed
async def add(
    session: ServerSession,
    printer: Printer,
    name: str,
    kind: str,
    disabled: bool,
    access_mode: str | None,
    allowed: tuple[str, ...],
    adopt_principals: bool,
    **settings: Any,
) -> None:
    """Add a provider. Try it afterwards with `sekisho provider test`."""
    body = {
        "name": name,
        "type": kind,
        "enabled": not disabled,
        "settings": settings_of(**settings),
        **_fields(access_mode, allowed, adopt_principals),
    }
    made = (await session.send("POST", "/v1/providers", body)).data
    _report(printer, f"added provider {name}", made)


@provider.command()
@click.argument("name", metavar="PROVIDER", shell_complete=PROVIDERS)
@settings_options
@_access_options
@server_command
@printed
async def edit(
    session: ServerSession,
    printer: Printer,
    name: str,
    access_mode: str | None,
    allowed: tuple[str, ...],
    adopt_principals: bool,
    **settings: Any,
) -> None:
    """Change a provider. Settings that you don't give stay; null removes one."""
    body = _fields(access_mode, allowed, adopt_principals)
    changes = settings_of(**settings)
    if changes:
        body["settings"] = changes
    require_change(body)
    changed = (await session.send("PATCH", path_of("providers", name), body)).data
    _report(printer, f"changed provider {name}", changed)


@provider.command()
@click.argument("name", metavar="PROVIDER", shell_complete=PROVIDERS)
@server_command
@printed
async def enable(session: ServerSession, printer: Printer, name: str) -> None:
    """Let users sign in with a provider again."""
    changed = (await session.send("PATCH", path_of("providers", name), {"enabled": True})).data
    _report(printer, f"enabled provider {name}", changed)


@provider.command()
@click.argument("name", metavar="PROVIDER", shell_complete=PROVIDERS)
@yes_option
@server_command
@printed
async def disable(session: ServerSession, printer: Printer, name: str, yes: bool) -> None:
    """Stop sign-ins with a provider. Its users lose access immediately."""
    confirmed(f"This ends the access of all who have signed in with {name}.", yes=yes)
    changed = (await session.send("PATCH", path_of("providers", name), {"enabled": False})).data
    _report(printer, f"disabled provider {name}", changed)


@provider.command()
@click.argument("name", metavar="PROVIDER", shell_complete=PROVIDERS)
@yes_option
@server_command
async def remove(session: ServerSession, name: str, yes: bool) -> None:
    """Remove a provider. Its users' tokens are revoked; the users stay."""
    confirmed(
        f"This removes provider {name} with its settings, and revokes its users' tokens.", yes=yes
    )
    await session.send("DELETE", path_of("providers", name))
    click.echo(f"removed provider {name}")


@provider.command()
@click.argument("name", metavar="PROVIDER", shell_complete=PROVIDERS)
@click.option("--username", help="Also try a sign-in of this user.")
@click.option(
    "--password-stdin", is_flag=True, help="Read the user's password from standard input."
)
@settings_options
@server_command
@printed
async def test(
    session: ServerSession,
    printer: Printer,
    name: str,
    username: str | None,
    password_stdin: bool,
    **settings: Any,
) -> None:
    """Try a provider, also with other settings, which are not stored. No one is signed in.

    The exit code is 1 if it is unavailable, or refuses the user.
    """
    if password_stdin and username is None:
        raise click.UsageError("--password-stdin is for --username")
    body: dict[str, Any] = given(settings=settings_of(**settings) or None)
    if username is not None:
        secret = read_password() if password_stdin else ask("Password", hide_input=True)
        body |= {"username": username, "password": secret}
    result = (await session.send("POST", path_of("providers", name, "test"), body)).data
    printer.one(RESULT, result)
    if result.get("outcome") not in {"reachable", "accepted"}:
        raise SystemExit(1)


def _report(printer: Printer, sentence: str, item: Item) -> None:
    for warning in item.get("warnings") or ():
        warn(str(warning))
    if item.get("error"):
        warn(f"it is not up: {item['error']}")
    printer.done(sentence, PROVIDER, item)
