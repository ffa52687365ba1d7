"""Sign in with a code that is entered on another device (RFC 8628)."""

import asyncio
import time
from urllib.parse import quote

import click

from proxy.cli.client.server_client import Reply, ServerClient, Unreachable
from proxy.cli.common import CommandFailed, plain

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_SLOWER = 5


async def sign_in_by_code(client: ServerClient, provider: str) -> Reply:
    """Sign in and return the response of the token endpoint. Raises CommandFailed."""
    begun = await client.post(f"/v1/login/{quote(provider, safe='')}/device")
    if begun.status != 200:
        raise CommandFailed(begun.refusal)
    try:
        code, interval = str(begun.data["device_code"]), max(1, int(begun.data["interval"]))
        ends = time.monotonic() + int(begun.data["expires_in"])
        _show(str(begun.data["user_code"]), str(begun.data["verification_uri"]))
    except (KeyError, TypeError, ValueError):
        raise CommandFailed(
            f"{client.server} did not respond like Sekisho; is --server right?"
        ) from None
    while time.monotonic() < ends:
        await asyncio.sleep(interval)
        try:
            reply = await client.post_form("/v1/token", grant_type=GRANT, device_code=code)
        except Unreachable:
            continue  # a laptop changes networks; the code is still valid
        if reply.error == "authorization_pending":
            interval = _interval(reply, interval)
        elif reply.error == "slow_down":
            interval = _interval(reply, interval + _SLOWER)
        elif reply.status != 503:
            return reply
    raise CommandFailed("the code was not entered in time; run the command again")


def _show(user_code: str, uri: str) -> None:
    click.echo(
        f"to sign in, open {plain(uri)} on any device\nand enter the code: {plain(user_code)}",
        err=True,
    )


def _interval(reply: Reply, interval: int) -> int:
    sent = reply.data.get("interval")
    return max(interval, sent) if isinstance(sent, int) and sent < 600 else interval
