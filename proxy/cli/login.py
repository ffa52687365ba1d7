"""``sekisho login`` and ``logout``: sign in at a server, from one's own machine."""

import ssl
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from proxy.cli import credential_cache
from proxy.cli.common import Failed, one_line_errors, read_password, run_async

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
@one_line_errors
@run_async
async def login(
    server: str, provider: str, username: str | None, password_stdin: bool, ca_file: Path | None
) -> None:
    """Sign in; kubectl then uses it through kubeconfigs made with --exec."""
    from urllib.parse import quote

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
    ends = data.get("expires_at")
    expires_at = datetime.fromisoformat(ends) if ends else None
    credential_cache.save(credential_cache.Credential(server, data["token"], expires_at))
    until = f" until {expires_at.astimezone():%Y-%m-%d %H:%M}" if expires_at else ""
    click.echo(f"signed in as {data['user']['display_name']} ({data['user']['id']}){until}")
    if data.get("must_change_password"):
        click.echo("your password was given to you: change it at the sign-in page", err=True)


@click.command()
@click.option("--server", required=True, help="Sekisho's URL.")
@_ca_file
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

    if not server.startswith("https://"):
        raise Failed("--server must begin with https://: a password travels over it")
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
            data = await answer.json(content_type=None) if answer.status != 204 else {}
            return answer.status, data, answer.headers.get("Retry-After")
    except aiohttp.ClientConnectorCertificateError as exc:
        raise Failed(
            f"the certificate of {server} can't be verified: give its CA with --ca-file"
        ) from exc
    except (aiohttp.ClientError, TimeoutError, ValueError) as exc:
        raise Failed(f"{server} can't be reached: {str(exc) or 'timed out'}") from exc


def _refusal(status: int, data: dict[str, Any], wait: str | None) -> str:
    detail = str(data.get("detail") or f"the server answered {status}")
    return f"{detail} (after {wait} s)" if status == 503 and wait else detail
