"""``sekisho login`` and ``logout``: sign in at a server, from one's own machine."""

import sys
from pathlib import Path
from urllib.parse import quote

import click

from proxy.cli import credential_cache
from proxy.cli.common import (
    Failed,
    one_line_errors,
    output_option,
    plain,
    print_json,
    read_password,
    run_async,
    unused_config_option,
)
from proxy.cli.server_client import Reply, ServerClient, Unreachable, read_ca
from proxy.cli.sign_in_answer import credential_of, whose

_ca_file = click.option(
    "--ca-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The CA of the server's certificate, if your system doesn't know it.",
)


@click.command()
@click.option("--server", required=True, help="Sekisho's URL.")
@click.option("--provider", help="How to sign in. Default: the only one, or asked for.")
@click.option("--no-browser", is_flag=True, help="Type a code on another device instead.")
@click.option("--username", help="Who, where a password is asked for. Default: asked for.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@_ca_file
@output_option
@unused_config_option
@one_line_errors
@run_async
async def login(
    server: str,
    provider: str | None,
    no_browser: bool,
    username: str | None,
    password_stdin: bool,
    ca_file: Path | None,
    output: str,
) -> None:
    """Sign in; kubectl then uses it through kubeconfigs made with --exec."""
    known = credential_cache.load(server)
    client = ServerClient(server, read_ca(ca_file) or (known.ca_pem if known else None))
    with_password = password_stdin or username is not None
    name, method = await _way(client, provider, no_browser=no_browser, password=with_password)
    reply = await _sign_in(client, name, method, username, password_stdin=password_stdin)
    if reply.status != 200:
        raise Failed(reply.refusal)
    found = credential_of(reply.data, server=server, provider=name, ca_pem=client.ca_pem)
    who = whose(reply.data, server)
    credential_cache.save(found)
    _tell(found, who, output)
    if reply.data.get("must_change_password"):
        click.echo("your password was given to you: change it at the sign-in page", err=True)


@click.command()
@click.option("--server", required=True, help="Sekisho's URL.")
@_ca_file
@unused_config_option
@one_line_errors
@run_async
async def logout(server: str, ca_file: Path | None) -> None:
    """Revoke the sign-in at the server and forget it here."""
    found = credential_cache.load(server)
    credential_cache.forget(server)
    if found is None:
        raise Failed(f"you are not signed in to {credential_cache.normalised(server)}")
    client = ServerClient(server, read_ca(ca_file) or found.ca_pem)
    try:
        reply = await client.post("/v1/logout", token=found.token)
    except Unreachable as exc:
        raise Failed(f"forgotten here, but not revoked: {exc}") from exc
    if reply.status not in {204, 401}:
        raise Failed(f"forgotten here, but not revoked: {reply.refusal}")
    click.echo("signed out")


async def _way(
    client: ServerClient, provider: str | None, *, no_browser: bool, password: bool
) -> tuple[str, str]:
    """The provider, and password, browser or device. Raises Failed."""
    if provider is not None and password:
        return provider, "password"  # nothing to choose; nothing to ask
    reply = await client.get("/v1/providers")
    if reply.status != 200:
        raise Failed(reply.refusal)
    try:
        ways = {str(one["name"]): _methods(one) for one in reply.data["items"]}
    except (KeyError, TypeError):
        raise Failed(
            f"{client.server} did not answer as Sekisho does; is --server right?"
        ) from None
    name = provider if provider is not None else _chosen(sorted(ways))
    if name not in ways:
        raise Failed(f"there is no provider {name}; there are: {plain(', '.join(sorted(ways)))}")
    return name, _method(name, ways[name], no_browser=no_browser, password=password)


def _methods(said: dict[str, object]) -> list[str]:
    methods = said.get("methods", [said.get("kind")])
    return [str(one) for one in methods] if isinstance(methods, list) else []


def _chosen(names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    if not names:
        raise Failed("the server has no provider to sign in with")
    if not sys.stdin.isatty():
        raise Failed(f"say how to sign in, with --provider: {plain(', '.join(names))}")
    for number, name in enumerate(names, start=1):
        click.echo(f"  {number}  {plain(name)}", err=True)
    choice = click.prompt("Sign in with", type=click.IntRange(1, len(names)), default=1, err=True)
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
    raise Failed(f"{plain(name)} has no such way to sign in; it has: {plain(', '.join(methods))}")


async def _sign_in(
    client: ServerClient, provider: str, method: str, username: str | None, *, password_stdin: bool
) -> Reply:
    if method == "browser":
        from proxy.cli.browser_login import sign_in_with_browser

        return await sign_in_with_browser(client, provider)
    if method == "device":
        from proxy.cli.device_login import sign_in_by_code

        return await sign_in_by_code(client, provider)
    name = username or click.prompt("User name", err=True)
    password = (
        read_password() if password_stdin else click.prompt("Password", hide_input=True, err=True)
    )
    path = f"/v1/login/{quote(provider, safe='')}"
    return await client.post(path, {"username": name, "password": password})


def _tell(found: credential_cache.Credential, who: str, output: str) -> None:
    ends = found.expires_at
    if output == "json":
        said = {"server": credential_cache.normalised(found.server), "provider": found.provider}
        expires = ends.isoformat() if ends else None
        renewable = found.renewable_until.isoformat() if found.renewable_until else None
        print_json({**said, "user": who, "expires_at": expires, "renewable_until": renewable})
        return
    until = f" until {ends.astimezone():%Y-%m-%d %H:%M}" if ends else ""
    click.echo(f"signed in as {who}{until}")
