"""A connector for aiohttp whose connections are made by a dialer.

aiohttp has no public way to give it a connected socket: ``socket_factory`` makes sockets that
aiohttp then connects to an IP address. Its connectors, and those of other packages, override
``BaseConnector._create_connection``, the only private name that is used here. A test fails if
a new aiohttp has renamed it, or calls it in another way.
"""

import asyncio
import socket
import ssl
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

from config.dialing import Dialer, DialFailed
from providers.network.dialed_connections import Opened, open_dialed

PRIVATE_NAMES: Mapping[type, tuple[str, ...]] = {
    aiohttp.BaseConnector: ("_create_connection",),
}
"""The private names that this module uses, by the class of aiohttp that has them."""

CONNECT_SECONDS = 10.0
"""How long a connection may take, TLS included, where the request's timeout does not say."""


class DialedConnector(aiohttp.BaseConnector):
    """Pools connections to one cluster. All have TLS, with the request's context or ``context``."""

    def __init__(self, dialer: Dialer, context: ssl.SSLContext | None, **options: Any) -> None:
        super().__init__(**options)
        self._dialer = dialer
        self._context = context

    async def _create_connection(
        self, req: aiohttp.ClientRequest, traces: Sequence[object], timeout: aiohttp.ClientTimeout
    ) -> ResponseHandler:
        """Return a connection for a request. Raises aiohttp.ClientError and TimeoutError."""
        seconds = timeout.sock_connect or timeout.total or CONNECT_SECONDS
        key = req.connection_key
        try:
            async with asyncio.timeout(seconds):
                _, protocol = await self._connect(req, seconds)
        except ssl.SSLCertVerificationError as exc:
            raise aiohttp.ClientConnectorCertificateError(key, exc) from exc
        except ssl.SSLError as exc:
            raise aiohttp.ClientConnectorSSLError(key, exc) from exc
        except TimeoutError:
            raise
        except OSError as exc:
            raise aiohttp.ClientConnectorError(key, exc) from exc
        return protocol

    async def _connect(self, req: aiohttp.ClientRequest, seconds: float) -> Opened[ResponseHandler]:
        context = req.ssl if isinstance(req.ssl, ssl.SSLContext) else self._context
        if context is None or not req.is_ssl():
            raise DialFailed("failed", "connections through an agent need TLS")
        loop = asyncio.get_running_loop()

        async def open_on(sock: socket.socket) -> Opened[ResponseHandler]:
            return await loop.create_connection(
                lambda: ResponseHandler(loop),
                sock=sock,
                ssl=context,
                server_hostname=req.server_hostname or req.host,
                ssl_handshake_timeout=seconds,
            )

        return await open_dialed(self._dialer, seconds, open_on)


class PlainDialedConnector(DialedConnector):
    """Pools connections without TLS, which do not leave the process."""

    def __init__(self, dialer: Dialer, **options: Any) -> None:
        super().__init__(dialer, None, **options)

    async def _connect(self, req: aiohttp.ClientRequest, seconds: float) -> Opened[ResponseHandler]:
        loop = asyncio.get_running_loop()

        async def open_on(sock: socket.socket) -> Opened[ResponseHandler]:
            return await loop.create_connection(lambda: ResponseHandler(loop), sock=sock)

        return await open_dialed(self._dialer, seconds, open_on)
