"""Commands that speak to a server: ``--server``, the credential, and the session."""

import functools
import os
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import click

from proxy.cli.client import credential_cache, known_servers
from proxy.cli.client.known_servers import server_option
from proxy.cli.client.problems import TOKEN_VARIABLE, not_signed_in
from proxy.cli.client.server_client import ServerClient, read_ca
from proxy.cli.client.server_session import ServerSession
from proxy.cli.common import CommandFailed, one_line_errors

CA_VARIABLE = "SEKISHO_CA_FILE"

Command = Callable[..., Coroutine[Any, Any, None]]


def server_command(command: Command) -> Callable[..., None]:
    """Run a coroutine function as a command with a ``session`` at the chosen server."""

    @click.option("-c", "--config", metavar="FILE", expose_value=False, hidden=True)
    @server_option
    @one_line_errors
    @functools.wraps(command)
    def run(*args: Any, server: str | None, **options: Any) -> None:
        import asyncio

        session = open_session(server, os.environ)
        asyncio.run(command(*args, session=session, **options))

    return run


def open_session(
    named: str | None, environment: Mapping[str, str], *, renew: bool = True
) -> ServerSession:
    """Return a session at the named server, or at the one in use.

    With ``renew``, the sign-in is renewed if it is due.

    Raises:
        CommandFailed: no server is known, or the user is not signed in there.
    """
    server = known_servers.resolve(named, environment)
    token = environment.get(TOKEN_VARIABLE, "").strip()
    ca_pem = _ca_of_environment(environment) or server.ca_pem
    if token:
        _check_token(token)
        return ServerSession(server, ServerClient(server.url, ca_pem), token, from_variable=True)
    found = credential_cache.load(server.url)
    if renew and found is not None and found.due:
        from proxy.cli.client.credential import renewed

        found = renewed(server.url)
    if found is None:
        raise not_signed_in(server)
    return ServerSession(server, ServerClient(server.url, ca_pem or found.ca_pem), found.token)


def _ca_of_environment(environment: Mapping[str, str]) -> str | None:
    file = environment.get(CA_VARIABLE)
    if not file:
        return None
    try:
        return read_ca(Path(file))
    except CommandFailed:
        raise CommandFailed(f"${CA_VARIABLE}: {file} is not a PEM file of certificates") from None


def _check_token(token: str) -> None:
    if not token.isascii() or not token.isprintable() or " " in token:
        raise CommandFailed(f"{TOKEN_VARIABLE} is not a token: it contains other characters")
