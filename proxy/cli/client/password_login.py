"""Sign in with a password, and change it if an administrator set it."""

import sys
from urllib.parse import quote

import click

from proxy.cli.client.server_client import Reply, ServerClient, Unreachable
from proxy.cli.common import CommandFailed, read_password
from proxy.cli.prompts import ask


async def sign_in_with_password(
    client: ServerClient, provider: str, username: str | None, *, password_stdin: bool
) -> Reply:
    """Sign in. If the password must be changed, change it and sign in with the new one.

    Raises:
        CommandFailed: it must be changed and was not. Such a sign-in allows nothing else.
    """
    name = username or ask("User name")
    password = read_password() if password_stdin else ask("Password", hide_input=True)
    reply = await _sign_in(client, provider, name, password)
    if reply.status != 200 or not reply.data.get("must_change_password"):
        return reply
    token = str(reply.data.get("token", ""))
    try:
        new = _new_password(password_stdin=password_stdin)
        changed = await client.post(
            "/v1/me/password", {"current_password": password, "new_password": new}, token=token
        )
        if changed.status != 204:
            raise CommandFailed(f"the password was not changed: {changed.refusal}")
    finally:
        await _sign_out(client, token)
    click.echo("your password has been changed", err=True)
    return await _sign_in(client, provider, name, new)


async def _sign_in(client: ServerClient, provider: str, username: str, password: str) -> Reply:
    path = f"/v1/login/{quote(provider, safe='')}"
    return await client.post(path, {"username": username, "password": password})


async def _sign_out(client: ServerClient, token: str) -> None:
    """End the sign-in that was only for the change. If that fails, it expires."""
    try:
        await client.post("/v1/logout", token=token)
    except Unreachable:
        pass


def _new_password(*, password_stdin: bool) -> str:
    """Return the new password, from a prompt or the next line of standard input."""
    click.echo("an administrator set your password: choose one that only you know", err=True)
    if not password_stdin:
        entered: str = ask("New password", hide_input=True, confirmation_prompt="Repeat it")
        return entered
    new = sys.stdin.readline().rstrip("\r\n")
    if not new:
        raise CommandFailed("give the new password as the second line of standard input")
    return new
