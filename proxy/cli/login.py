"""``sekisho login`` and ``logout``: sign in at a server, from one's own machine."""

import json
import ssl
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import click

from proxy.cli import credential_cache
from proxy.cli.common import (
    Failed,
    one_line_errors,
    plain,
    read_password,
    run_async,
    unused_config_option,
)

if TYPE_CHECKING:
    from aiohttp import ClientResponse

TIMEOUT_SECONDS = 30.0

_ca_file = click.option(
    "--ca-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The CA of the server's certificate, if your system doesn't know it.",
)


@click.command()
@click.option("--server", required=True, help="Sekisho's URL.")
@click.option("--provider", required=True, help="How to sign in; see GET /v1/providers.")
@click.option("--username", help="Who. Default: asked for.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@_ca_file
@unused_config_option
@one_line_errors
@run_async
async def login(
    server: str, provider: str, username: str | None, password_stdin: bool, ca_file: Path | None
) -> None:
    """Sign in; kubectl then uses it through kubeconfigs made with --exec."""
    name = username or click.prompt("User name", err=True)
    password = (
        read_password() if password_stdin else click.prompt("Password", hide_input=True, err=True)
    )
    status, data, wait = await _post(
        server,
        f"/v1/login/{quote(provider, safe='')}",
        ca_file,
        body={"username": name, "password": password},
    )
    if status != 200:
        raise Failed(_refusal(status, data, wait))
    found, who = _signed_in(server, provider, data)
    credential_cache.save(found)
    until = f" until {found.expires_at.astimezone():%Y-%m-%d %H:%M}" if found.expires_at else ""
    click.echo(f"signed in as {who}{until}")
    if data.get("must_change_password"):
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
    status, data, wait = await _post(server, "/v1/logout", ca_file, token=found.token)
    if status not in {204, 401}:
        raise Failed(f"forgotten here, but not revoked: {_refusal(status, data, wait)}")
    click.echo("signed out")


async def _post(
    server: str,
    path: str,
    ca_file: Path | None,
    *,
    body: dict[str, str] | None = None,
    token: str | None = None,
) -> tuple[int, dict[str, Any], str | None]:
    import aiohttp

    _check_server(server)
    try:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except (OSError, ssl.SSLError):
        raise Failed(f"--ca-file {ca_file} is not a PEM file of certificates") from None
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    url = credential_cache.normalised(server) + path
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(
                url, json=body, ssl=context, headers=headers, allow_redirects=False
            ) as answer,
        ):
            return answer.status, await _body(answer), answer.headers.get("Retry-After")
    except aiohttp.ClientConnectorCertificateError as exc:
        raise Failed(
            f"the certificate of {server} can't be verified: give its CA with --ca-file"
        ) from exc
    except (aiohttp.ClientError, TimeoutError, ValueError) as exc:
        raise Failed(f"{server} can't be reached: {str(exc) or 'timed out'}") from exc


async def _body(answer: "ClientResponse") -> dict[str, Any]:
    """What was answered, as an object; empty where it is none (a load balancer's own page)."""
    try:
        data = json.loads(await answer.read())
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _signed_in(
    server: str, provider: str, data: dict[str, Any]
) -> tuple[credential_cache.Credential, str]:
    """The credential in a server's answer, and whose it is."""
    try:
        ends = data["expires_at"]
        expires_at = datetime.fromisoformat(ends) if ends else None
        found = credential_cache.Credential(server, data["token"], expires_at, provider)
        return found, plain(f"{data['user']['display_name']} ({data['user']['id']})")
    except (KeyError, TypeError, ValueError):
        raise Failed(f"{server} did not answer as Sekisho does; is --server right?") from None


def _check_server(server: str) -> None:
    """Refuse to send a password or a token where others could read it."""
    parts = urlsplit(server)
    local = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1", "localhost"}
    if not parts.hostname or not (parts.scheme == "https" or local):
        raise Failed("--server must begin with https://: a password travels over it")


def _refusal(status: int, data: dict[str, Any], wait: str | None) -> str:
    detail = str(data.get("detail") or f"the server answered {status}")
    if status in {429, 503} and wait and wait not in detail:
        return f"{detail}; try again in {wait} seconds"
    return detail
