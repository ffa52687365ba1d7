"""``sekisho login`` and ``logout``: sign in at a server from your machine."""

import os
import sys
from pathlib import Path

import click

from proxy.cli.client import credential_cache, known_servers
from proxy.cli.client.clock import clock_warning
from proxy.cli.client.known_servers import KnownServer, server_option
from proxy.cli.client.server_client import Reply, ServerClient, Unreachable, check_server, read_ca
from proxy.cli.client.sign_in_response import credential_of, whose
from proxy.cli.common import (
    CommandFailed,
    one_line_errors,
    output_option,
    plain,
    print_json,
    reason,
    run_async,
    unused_config_option,
    warn,
)
from proxy.cli.prompts import ask

_ca_file = click.option(
    "--ca-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CA of the server's certificate, if your system doesn't trust it.",
)


_STDIN_HELP = "Read the password from standard input. A second line is the new password."


@click.command()
@server_option
@click.option("--name", help="A short name for the server. Default: its host.")
@click.option("--provider", help="Provider to sign in with. Default: the only one, or a prompt.")
@click.option("--no-browser", is_flag=True, help="Sign in with a code on another device.")
@click.option("--username", help="Your name, for a sign-in with a password. Default: a prompt.")
@click.option("--password-stdin", is_flag=True, help=_STDIN_HELP)
@_ca_file
@output_option
@unused_config_option
@one_line_errors
@run_async
async def login(
    server: str | None,
    name: str | None,
    provider: str | None,
    no_browser: bool,
    username: str | None,
    password_stdin: bool,
    ca_file: Path | None,
    output: str,
) -> None:
    """Sign in at a server, and use it in commands without --server.

    kubectl uses the sign-in through kubeconfigs that have no token. --server is the URL, or the
    name of a known server.
    """
    place = known_servers.resolve(server, os.environ)
    check_server(place.url)
    named = _named(place, name)
    kept = credential_cache.load(place.url)
    ca_pem = read_ca(ca_file) or place.ca_pem or (kept.ca_pem if kept else None)
    client = ServerClient(place.url, ca_pem)
    with_password = password_stdin or username is not None
    at, method = await _choose(client, provider, no_browser=no_browser, password=with_password)
    reply = await _sign_in(client, at, method, username, password_stdin=password_stdin)
    if reply.status != 200:
        raise CommandFailed(reply.refusal)
    found = credential_of(reply, server=place.url, provider=at, ca_pem=client.ca_pem)
    who = whose(reply.data, place.url)
    await _keep(client, found)
    used = KnownServer(named, place.url, client.ca_pem)
    known_servers.change(lambda known: known.with_server(used))
    if found.clock_offset:
        warn(clock_warning(found.clock_offset))
    _print(found, who, output)


@click.command()
@server_option
@_ca_file
@unused_config_option
@one_line_errors
@run_async
async def logout(server: str | None, ca_file: Path | None) -> None:
    """Revoke the sign-in at the server and delete it from this machine."""
    server = known_servers.resolve(server, os.environ).url
    found = credential_cache.load(server)
    kept = _forget(server)
    if found is None:
        raise CommandFailed(f"you are not signed in to {credential_cache.normalised(server)}")
    client = ServerClient(server, read_ca(ca_file) or found.ca_pem)
    try:
        reply = await client.post("/v1/logout", token=found.token)
    except Unreachable as exc:
        raise CommandFailed(f"{kept or 'deleted here'}, but not revoked: {exc}") from exc
    if reply.status not in {204, 401}:
        raise CommandFailed(f"{kept or 'deleted here'}, but not revoked: {reply.refusal}")
    if kept:
        warn(f"{kept}; it is revoked and can't be used")
    click.echo("signed out")


def _named(place: KnownServer, name: str | None) -> str:
    """Return the name under which the server is kept. Raises CommandFailed if it is in use."""
    known = known_servers.load()
    if name is None:
        return known_servers.default_name(place.url, known)
    known_servers.check_name(name, place.url, known)
    return name


def _forget(server: str) -> str:
    """Delete a credential. Return why that failed, or an empty text."""
    try:
        credential_cache.forget(server)
    except OSError as exc:
        return f"the credential can't be deleted from {credential_cache.folder()} ({reason(exc)})"
    return ""


async def _keep(client: ServerClient, found: credential_cache.Credential) -> None:
    """Store a credential. If that fails, revoke it: it could not be used."""
    try:
        credential_cache.save(found)
    except OSError as exc:
        try:
            await client.post("/v1/logout", token=found.token)
        except Unreachable:
            pass  # it expires
        raise CommandFailed(
            f"the sign-in can't be stored in {credential_cache.folder()}: {reason(exc)}; repair "
            "that, or set another folder in XDG_CONFIG_HOME"
        ) from exc


async def _choose(
    client: ServerClient, provider: str | None, *, no_browser: bool, password: bool
) -> tuple[str, str]:
    """Return the provider, and password, browser or device. Raises CommandFailed."""
    if provider is not None and password:
        return provider, "password"  # no choice, so no request
    reply = await client.get("/v1/providers")
    if reply.status != 200:
        raise CommandFailed(reply.refusal)
    try:
        ways = {str(one["name"]): _methods(one) for one in reply.data["items"]}
    except (KeyError, TypeError):
        raise CommandFailed(
            f"{client.server} did not respond like Sekisho; is --server right?"
        ) from None
    name = provider if provider is not None else _chosen(sorted(ways))
    if name not in ways:
        raise CommandFailed(
            f"provider {name} doesn't exist; known: {plain(', '.join(sorted(ways)))}"
        )
    return name, _method(name, ways[name], no_browser=no_browser, password=password)


def _methods(provider: dict[str, object]) -> list[str]:
    methods = provider.get("methods", [provider.get("kind")])
    return [str(one) for one in methods] if isinstance(methods, list) else []


def _chosen(names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    if not names:
        raise CommandFailed("the server has no provider to sign in with; configure one")
    if not sys.stdin.isatty():
        raise CommandFailed(f"choose a provider with --provider: {plain(', '.join(names))}")
    for number, name in enumerate(names, start=1):
        click.echo(f"  {number}  {plain(name)}", err=True)
    choice: int = ask("Sign in with", type=click.IntRange(1, len(names)), default=1)
    return names[choice - 1]


def _method(name: str, methods: list[str], *, no_browser: bool, password: bool) -> str:
    if password:
        wanted = ["password"]
    elif no_browser:
        wanted = ["device", "password"]
    else:
        wanted = ["browser", "password", "device"]
    for method in wanted:
        if method in methods:
            return method
    raise CommandFailed(
        f"{plain(name)} doesn't support that sign-in; it supports: {plain(', '.join(methods))}"
    )


async def _sign_in(
    client: ServerClient, provider: str, method: str, username: str | None, *, password_stdin: bool
) -> Reply:
    if method == "browser":
        from proxy.cli.client.browser_login import sign_in_with_browser

        return await sign_in_with_browser(client, provider)
    if method == "device":
        from proxy.cli.client.device_login import sign_in_by_code

        return await sign_in_by_code(client, provider)
    from proxy.cli.client.password_login import sign_in_with_password

    return await sign_in_with_password(client, provider, username, password_stdin=password_stdin)


def _print(found: credential_cache.Credential, who: str, output: str) -> None:
    ends = found.expires_at
    if output == "json":
        shown = {"server": credential_cache.normalised(found.server), "provider": found.provider}
        expires = ends.isoformat() if ends else None
        renewable = found.renewable_until.isoformat() if found.renewable_until else None
        print_json({**shown, "user": who, "expires_at": expires, "renewable_until": renewable})
        return
    until = f" until {ends.astimezone():%Y-%m-%d %H:%M}" if ends else ""
    click.echo(f"signed in as {who}{until}")
