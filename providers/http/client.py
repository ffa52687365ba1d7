"""Asking a provider's backend over HTTPS: bounded in time and size, and going nowhere else."""

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from providers.base import ProviderUnavailable

MAX_ANSWER_BYTES = 4 * 1024 * 1024
USER_AGENT = "sekisho"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the backend said. ``body`` may hold secrets."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """The body as JSON. Raises ProviderUnavailable where it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise ProviderUnavailable(f"answered {self.status} with what isn't JSON") from None

    def object(self) -> dict[str, Any]:
        """The body as a JSON object. Raises ProviderUnavailable where it is none."""
        value = self.json()
        if not isinstance(value, dict):
            raise ProviderUnavailable(f"answered {self.status} with what isn't a JSON object")
        return value


class HttpClient:
    """A client for one backend. Follows no redirect, keeps no cookie, repeats nothing.

    ``ca_file`` None means the system's certificates. ``proxy`` is an HTTP proxy's URL.
    """

    def __init__(
        self, *, ca_file: Path | None, timeout_seconds: float, proxy: str | None = None
    ) -> None:
        self._ca_file = ca_file
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._proxy = proxy
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Get ready. Raises ProviderUnavailable where ``ca_file`` can't be read."""
        try:
            context = ssl.create_default_context(
                cafile=str(self._ca_file) if self._ca_file else None
            )
        except (OSError, ssl.SSLError) as exc:
            raise ProviderUnavailable(f"ca_file {self._ca_file} can't be used: {exc}") from exc
        self._session = aiohttp.ClientSession(
            timeout=self._timeout,
            connector=aiohttp.TCPConnector(ssl=context, limit=32),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": USER_AGENT, "Accept": "application/json"},
        )

    async def close(self) -> None:
        """Let go of every connection."""
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
    ) -> Answer:
        """Ask. Raises ProviderUnavailable where there is no answer; any status is one.

        Neither the URL's query nor anything that was sent is in the error.
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
            ) as answer:
                return Answer(answer.status, answer.headers, await _bounded(answer))
        except aiohttp.ClientConnectorCertificateError as exc:
            raise ProviderUnavailable(f"{_host(url)}: its certificate is not trusted") from exc
        except TimeoutError as exc:
            raise ProviderUnavailable(f"{_host(url)}: timed out") from exc
        except (aiohttp.ClientError, OSError, ValueError, RuntimeError) as exc:
            # RuntimeError: the provider was closed meanwhile.
            raise ProviderUnavailable(f"{_host(url)}: {type(exc).__name__}") from exc


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise ProviderUnavailable(f"answered with more than {MAX_ANSWER_BYTES} bytes")
    return bytes(body)


def _host(url: str) -> str:
    return url.partition("?")[0][:200]


def retry_after(headers: Mapping[str, str]) -> int | None:
    """``Retry-After`` in seconds, where it is a sensible number of them (RFC 9110 §10.2.3)."""
    text = headers.get("Retry-After", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else None
