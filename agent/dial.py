"""Open the connection of a tunnel: from the agent to the server, through an HTTP proxy if needed.

aiohttp connects (TLS, ``CONNECT`` to a proxy) and reads the response. After the ``101`` the tunnel
takes the connection raw: aiohttp's WebSocket classes cost about twice the CPU per byte.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from agent.tunnel.connection import TunnelConnection
from agent.websocket.handshake import HandshakeError, check_response, request_headers
from config.bounded_json import load_json

TUNNEL_PATH = "/v1/tunnel"
DIAL_SECONDS = 20.0
MAX_REASON_BYTES = 4096


class DialError(Exception):
    """No tunnel was opened. The message says why, without the token."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server to connect to.

    ``ca_pem`` alone is trusted; None means the system's trust store. ``proxy`` is the URL of an
    HTTP proxy, with its credentials. None: connect directly.
    """

    url: str
    token: str = field(repr=False)
    ca_pem: str | None = field(default=None, repr=False)
    proxy: str | None = field(default=None, repr=False)


class _Tail:
    """Collects bytes that followed the head of the response, as a parser of aiohttp does."""

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        """Do nothing: the tunnel sees the end of the connection."""


@asynccontextmanager
async def dialed(target: Target, tunnel: TunnelConnection) -> AsyncIterator[None]:
    """Connect ``tunnel`` to the server. At the end of the context its connection is closed.

    Raises:
        DialError: no connection, no trust, or no tunnel at the other end.
    """
    # The caller has read the environment: aiohttp would ignore HTTPS_PROXY in places.
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(
        trust_env=False, timeout=timeout, auto_decompress=False
    ) as session:
        try:
            async with asyncio.timeout(DIAL_SECONDS):
                response = await _request(session, target)
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            raise DialError(_text(exc)) from exc
        end = _take_over(response, tunnel)
        try:
            yield
        finally:
            end()


async def _request(session: aiohttp.ClientSession, target: Target) -> aiohttp.ClientResponse:
    """Return the response that opened the tunnel. Raises DialError."""
    headers = request_headers()
    response = await session.get(
        target.url.rstrip("/") + TUNNEL_PATH,
        headers={**headers, "Authorization": f"Bearer {target.token}"},
        ssl=_tls(target),
        proxy=target.proxy,
        allow_redirects=False,
    )
    try:
        check_response(headers, response.status, response.headers)
    except HandshakeError as exc:
        reason = await _reason(response)
        raise DialError(f"{exc}: {reason}" if reason else str(exc)) from exc
    return response


def _text(exc: Exception) -> str:
    if isinstance(exc, TimeoutError):
        return f"the server did not respond within {DIAL_SECONDS:g} s"
    return " ".join(str(exc).split()) or type(exc).__name__


def _take_over(response: aiohttp.ClientResponse, tunnel: TunnelConnection) -> Callable[[], None]:
    """Give the connection of a response to the tunnel. Return a function that ends it."""
    connection = response.connection
    if connection is None or connection.transport is None or connection.protocol is None:
        raise DialError("the connection ended after the response")
    transport, protocol, tail = connection.transport, connection.protocol, _Tail()
    protocol.set_parser(tail, aiohttp.EMPTY_PAYLOAD)
    transport.set_protocol(tunnel)
    tunnel.connection_made(transport)
    if tail.data:
        tunnel.data_received(tail.data)

    def end() -> None:
        transport.close()
        # The session waits for the end of its connections, which only the tunnel sees.
        protocol.connection_lost(None)

    return end


async def _reason(response: aiohttp.ClientResponse) -> str:
    """Return the ``detail`` of a problem (RFC 9457) on one line; empty for other bodies."""
    try:
        data = await response.content.read(MAX_REASON_BYTES)
    except (aiohttp.ClientError, OSError):
        return ""
    finally:
        response.close()
    try:
        detail = load_json(data).get("detail")
    except (ValueError, AttributeError):
        return ""
    return " ".join(detail.split()) if isinstance(detail, str) else ""


def _tls(target: Target) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=target.ca_pem)
    except (ssl.SSLError, ValueError) as exc:
        raise DialError("the CA of the server is not a PEM file of certificates") from exc
