"""Open the connection of a tunnel: from the agent to the server, through an HTTP proxy if needed.

The request goes to the URL that the agent was started with. Nothing that a server or a proxy sends
leads it elsewhere: redirects are not followed.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from agent.dial_failures import cause_of, refusal
from agent.http.connection import Address, open_connection
from agent.http.errors import HttpError
from agent.http.upgrade import UpgradeResponse, upgrade
from agent.tunnel.connection import TunnelConnection
from agent.websocket.handshake import HandshakeError, check_response, request_headers

TUNNEL_PATH = "/v1/tunnel"
DIAL_SECONDS = 20.0
MAX_RETRY_AFTER = 300.0
"""Seconds: the longest ``Retry-After`` that is honoured. A server may send any number."""


class DialError(Exception):
    """No tunnel was opened. The message says why, without the token.

    ``retry_after``: how long the server asked to wait, in seconds.
    """

    def __init__(self, message: str, *, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Target:
    """A server to connect to.

    ``ca_pem`` alone is trusted; None means the system's trust store. ``proxy`` is the URL of an
    HTTP proxy, with its credentials. None: connect directly. ``token_file`` and ``ca_file`` are
    where the token and the CA come from, for messages.
    """

    url: str
    token: str = field(repr=False)
    ca_pem: str | None = field(default=None, repr=False)
    proxy: str | None = field(default=None, repr=False)
    token_file: str = "the token file"  # noqa: S105
    ca_file: str = "the CA file"


@asynccontextmanager
async def dialed(target: Target, tunnel: TunnelConnection) -> AsyncIterator[None]:
    """Connect ``tunnel`` to the server. At the end of the context its connection is closed.

    Raises:
        DialError: no connection, no trust, or no tunnel at the other end.
    """
    tls = _tls(target)
    writer: asyncio.StreamWriter | None = None
    try:
        try:
            async with asyncio.timeout(DIAL_SECONDS):
                address = Address.of(target.url.rstrip("/") + TUNNEL_PATH)
                # The writer is kept: a collected one would close the connection.
                _, writer = await open_connection(address, tls, target.proxy)
                await _request(writer, address, target, tunnel)
        except (HttpError, OSError, ValueError) as exc:
            raise DialError(cause_of(exc, target, DIAL_SECONDS)) from exc
        yield
    finally:
        tunnel.close("the agent ends this tunnel")
        if writer is not None:
            writer.close()


async def _request(
    writer: asyncio.StreamWriter, address: Address, target: Target, tunnel: TunnelConnection
) -> None:
    """Ask for a tunnel. Raises DialError, HttpError, OSError."""
    handshake = request_headers()
    headers = {
        "Host": address.authority,
        "User-Agent": "sekisho-agent",
        **handshake,
        "Authorization": f"Bearer {target.token}",
    }
    response = await upgrade(writer.transport, address.target, list(headers.items()), tunnel)
    try:
        check_response(handshake, response.status, response.headers)
    except HandshakeError as exc:
        if response.status == 101:
            raise DialError(str(exc)) from exc
        reason = refusal(response.status, response.body, target)
        raise DialError(reason, retry_after=_retry_after(response)) from exc


def _retry_after(response: UpgradeResponse) -> float:
    """Return the seconds of ``Retry-After``; 0 for none, or for a date."""
    text = response.headers.get("retry-after", "").strip()
    if not (text.isascii() and text.isdigit()):
        return 0.0
    return min(float(text[:9]), MAX_RETRY_AFTER)


def _tls(target: Target) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=target.ca_pem)
    except (ssl.SSLError, ValueError) as exc:
        raise DialError(
            f"{target.ca_file} is not a PEM file of certificates; write the server's CA into it"
        ) from exc
