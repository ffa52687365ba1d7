"""The management cluster's API for the stand-in provider: requests, and watches that wake it."""

import asyncio
import contextlib
import ssl
from pathlib import Path
from typing import Any

import aiohttp

from providers.http.response_body import open_session
from proxy.demo.local_cluster import RequestError, send_json

RETRY_SECONDS = 0.5
WATCH_SECONDS = 600


class Api:
    """A client with the administrator's certificate of a PKI. It must be closed."""

    def __init__(self, server: str, pki: Path) -> None:
        context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        self._server = server
        self._session = open_session(
            connector=aiohttp.TCPConnector(ssl=context), timeout=aiohttp.ClientTimeout(total=120)
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def request(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Send a request. A ``PATCH`` is a merge patch. Raises RequestError."""
        return await send_json(self._session, method, self._server + path, body)

    async def find(self, path: str) -> dict[str, Any] | None:
        """Return an object, or None if it does not exist."""
        try:
            return await self.request("GET", path)
        except RequestError as exc:
            if exc.status == 404:
                return None
            raise

    async def wake_on_changes(self, path: str, event: asyncio.Event) -> None:
        """Set ``event`` after each change in a collection, until cancelled."""
        timeout = aiohttp.ClientTimeout(total=None, sock_read=WATCH_SECONDS)
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                address = f"{self._server}{path}?watch=1&timeoutSeconds={WATCH_SECONDS // 2}"
                async with self._session.get(address, timeout=timeout) as response:
                    async for _ in response.content.iter_any():
                        event.set()
            event.set()
            await asyncio.sleep(RETRY_SECONDS)
