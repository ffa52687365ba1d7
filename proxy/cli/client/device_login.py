"""Signing in by a code typed on another device (RFC 8628): for machines without a browser."""

import asyncio
import time
from urllib.parse import quote

import click

from proxy.cli.common import Failed, plain
from proxy.cli.server_client import Reply, ServerClient, Unreachable

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_SLOWER = 5


async def sign_in_by_code(client: ServerClient, provider: str) -> Reply:
    """The token endpoint's answer. Raises Failed."""
    begun = await client.post(f"/v1/login/{quote(provider, safe='')}/device")
    if begun.status != 200:
        raise Failed(begun.refusal)
    try:
        code, interval = str(begun.data["device_code"]), max(1, int(begun.data["interval"]))
        ends = time.monotonic() + int(begun.data["expires_in"])
        _show(str(begun.data["user_code"]), str(begun.data["verification_uri"]))
    except (KeyError, TypeError, ValueError):
        raise Failed(
            f"{client.server} did not answer as Sekisho does; is --server right?"
        ) from None
    while time.monotonic() < ends:
        await asyncio.sleep(interval)
        try:
            reply = await client.post_form("/v1/token", grant_type=GRANT, device_code=code)
        except Unreachable:
            continue  # a laptop changes networks; the code is still good
        if reply.error == "authorization_pending":
            interval = _told(reply, interval)
        elif reply.error == "slow_down":
            interval = _told(reply, interval + _SLOWER)
        elif reply.status != 503:
            return reply
    raise Failed("nobody typed the code in time: run the command again")


def _show(user_code: str, uri: str) -> None:
    click.echo(
        f"to sign in, open {plain(uri)} on any device\nand enter the code: {plain(user_code)}",
        err=True,
    )


def _told(reply: Reply, interval: int) -> int:
    said = reply.data.get("interval")
    return max(interval, said) if isinstance(said, int) and said < 600 else interval
