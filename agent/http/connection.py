"""Connect to a server: directly, or through an HTTP proxy with ``CONNECT`` (RFC 9110 §9.3.6)."""

import asyncio
import base64
import errno
import ssl
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote, urlsplit

import h11

from agent.http.addresses import connected_socket
from agent.http.errors import (
    ConnectionEnded,
    InvalidUrl,
    NotHttp,
    ProxyRefused,
    ProxyUnreachable,
)
from agent.http.messages import Stream, client_connection, read_head

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a URL points to. ``target`` is the path and query (RFC 9112 §3.2.1)."""

    scheme: str
    host: str
    port: int
    target: str

    @classmethod
    def of(cls, url: str) -> Self:
        """Parse a URL. Raises InvalidUrl."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
            host.encode("idna")
        except ValueError as exc:
            raise InvalidUrl(str(exc)) from exc
        if parts.scheme not in _PORTS or not host or not _is_visible(host + parts.path):
            raise InvalidUrl("no scheme, host, or a space in it")
        query = f"?{parts.query}" if parts.query else ""
        target = f"{parts.path or '/'}{query}"
        return cls(parts.scheme, host, port or _PORTS[parts.scheme], target)

    @property
    def authority(self) -> str:
        """The host and, if it is not the scheme's, the port."""
        default = self.port == _PORTS[self.scheme]
        return self._name if default else f"{self._name}:{self.port}"

    @property
    def host_and_port(self) -> str:
        """The target of ``CONNECT``."""
        return f"{self._name}:{self.port}"

    @property
    def _name(self) -> str:
        name = self.host if self.host.isascii() else self.host.encode("idna").decode()
        return f"[{name}]" if ":" in name else name


async def open_connection(address: Address, tls: ssl.SSLContext, proxy: str | None) -> Stream:
    """Connect, through ``proxy`` (its URL) if it is given.

    ``tls`` verifies the server. A proxy with an ``https`` URL is verified by the system's trust
    store.

    Raises:
        ProxyUnreachable, ProxyRefused, NotHttp: the proxy made no connection.
        OSError: the server can't be reached, or its certificate can't be verified.
    """
    secure = address.scheme == "https"
    if proxy is None:
        return await _connect(address, tls if secure else None)
    reader, writer = await _connect_to_proxy(Address.of(proxy))
    try:
        await _request_tunnel(address, proxy, reader, writer)
        if secure:
            await writer.start_tls(tls, server_hostname=address.host)
    except BaseException:
        writer.close()
        raise
    return reader, writer


async def _connect(address: Address, tls: ssl.SSLContext | None) -> Stream:
    connected = await connected_socket(address.host, address.port)
    name = address.host if tls else None
    try:
        return await asyncio.open_connection(sock=connected, ssl=tls, server_hostname=name)
    except BaseException:
        connected.close()
        raise


async def _connect_to_proxy(address: Address) -> Stream:
    tls = ssl.create_default_context() if address.scheme == "https" else None
    try:
        return await _connect(address, tls)
    except OSError as exc:
        raise ProxyUnreachable(exc) from exc


async def _request_tunnel(
    address: Address, proxy: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    connection = client_connection()
    name = address.host_and_port
    headers = [("Host", name), ("User-Agent", "sekisho"), *_proxy_credentials(proxy)]
    request = h11.Request(method="CONNECT", target=name, headers=headers)
    writer.write(connection.send(request) or b"")
    writer.write(connection.send(h11.EndOfMessage()) or b"")
    try:
        response = await read_head(connection, reader)
    except ConnectionEnded as exc:
        cause = ConnectionResetError(errno.ECONNRESET, "closed")
        raise ProxyUnreachable(cause) from exc
    except OSError as exc:
        raise ProxyUnreachable(exc) from exc
    if not 200 <= response.status_code < 300:
        raise ProxyRefused(response.status_code)
    if connection.trailing_data[0]:
        # Bytes before the TLS handshake can only be the proxy's own.
        raise NotHttp("the proxy sent data of its own")


def _proxy_credentials(proxy: str) -> list[tuple[str, str]]:
    parts = urlsplit(proxy)
    if parts.username is None:
        return []
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    encoded = base64.b64encode(pair.encode()).decode()
    return [("Proxy-Authorization", f"Basic {encoded}")]


def _is_visible(text: str) -> bool:
    return all(one.isprintable() and not one.isspace() for one in text)
