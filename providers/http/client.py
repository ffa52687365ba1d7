"""An HTTPS client for one provider's backend, with limits on time, size and destination."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from config.address_policy import ANY_ADDRESS, AddressPolicy
from providers.base import ProviderUnavailable
from providers.http.response_body import (
    BodyTooLarge,
    InvalidJsonBody,
    open_session,
    parse_json,
    read_body,
)
from providers.network.checked_connections import AddressRefused, connector
from providers.settings.certificates import tls_context

MAX_RESPONSE_BYTES = 4 * 1024 * 1024
"""Bytes of a response after decompression. A list from GitHub has less than 1 MiB."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response of the backend. ``body`` may contain secrets."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """Return the body as JSON. Raises ProviderUnavailable if it is not valid."""
        try:
            return parse_json(self.body)
        except (InvalidJsonBody, BodyTooLarge):
            raise ProviderUnavailable(f"responded {self.status} without valid JSON") from None

    def object(self) -> dict[str, Any]:
        """Return the body as a JSON object. Raises ProviderUnavailable if it is not one."""
        value = self.json()
        if not isinstance(value, dict):
            raise ProviderUnavailable(f"responded {self.status} without a JSON object")
        return value


class HttpClient:
    """A client for one backend, without redirects, cookies and retries.

    Without ``ca_file`` and ``ca_pem``, the system's certificates are trusted. ``proxy`` is the URL
    of an HTTP proxy. ``addresses`` decides on the address of each connection, including the
    proxy's.
    """

    def __init__(
        self,
        *,
        ca_file: Path | None,
        ca_pem: str | None = None,
        timeout_seconds: float,
        proxy: str | None = None,
        addresses: AddressPolicy = ANY_ADDRESS,
    ) -> None:
        self._ca_file = ca_file
        self._ca_pem = ca_pem
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._proxy = proxy
        self._addresses = addresses
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open the session. Raises ProviderUnavailable if ``ca_file`` cannot be read."""
        try:
            context = await asyncio.to_thread(tls_context, self._ca_file, self._ca_pem)
        except (OSError, ValueError) as exc:
            raise ProviderUnavailable(f"ca_file {self._ca_file} is not usable: {exc}") from exc
        self._session = open_session(
            timeout=self._timeout,
            connector=connector(self._addresses, context, limit=32),
            headers={"Accept": "application/json"},
        )

    async def close(self) -> None:
        """Close every connection."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def request(
        self,
        method: str,
        url: str,
        *,
        form: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        """Send a request and return the response, with any status.

        Raises:
            ProviderUnavailable: there is no response. The message contains neither the URL's query
                nor anything that was sent.
        """
        if self._session is None:
            raise ProviderUnavailable("the provider has not started")
        try:
            async with self._session.request(
                method,
                url,
                data=form,
                json=body,
                headers=headers,
                allow_redirects=False,
                proxy=self._proxy,
            ) as response:
                content = await read_body(response, MAX_RESPONSE_BYTES)
                return HttpResponse(response.status, response.headers, content)
        except BodyTooLarge as exc:
            raise ProviderUnavailable(
                f"responded with more than {MAX_RESPONSE_BYTES} bytes"
            ) from exc
        except aiohttp.ClientConnectorCertificateError as exc:
            raise ProviderUnavailable(f"{_host(url)}: its certificate is not trusted") from exc
        except TimeoutError as exc:
            raise ProviderUnavailable(f"{_host(url)}: timed out") from exc
        except (aiohttp.ClientError, OSError, ValueError, RuntimeError) as exc:
            # RuntimeError: the provider was closed in the meantime.
            raise ProviderUnavailable(f"{_host(url)}: {_description(exc)}") from exc


def _description(exc: Exception) -> str:
    """Return the cause in plain words. aiohttp's own messages contain Python objects."""
    if isinstance(exc, aiohttp.ClientConnectorDNSError):
        return "the host name does not exist"
    if isinstance(exc, aiohttp.ClientSSLError):
        return "the TLS handshake failed"
    if isinstance(exc, aiohttp.ClientHttpProxyError):
        return f"the proxy responded {exc.status}"
    cause = getattr(exc, "os_error", exc)
    if isinstance(cause, AddressRefused):
        return cause.reason
    if isinstance(cause, OSError) and cause.errno is not None and cause.errno > 0:
        return os.strerror(cause.errno).lower()
    if isinstance(exc, aiohttp.ClientConnectorError):
        return "the connection failed"
    return "the connection was closed early"


def _host(url: str) -> str:
    return url.partition("?")[0][:200]


def retry_after(headers: Mapping[str, str]) -> int | None:
    """Return ``Retry-After`` if it is a plausible number of seconds (RFC 9110 §10.2.3)."""
    text = headers.get("Retry-After", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else None
