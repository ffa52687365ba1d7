"""HTTP client of a Sekisho server for commands. Errors are one line."""

import asyncio
import json
import os
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from config.bounded_json import load_json
from proxy.cli.client.credential_cache import normalised
from proxy.cli.common import CommandFailed

if TYPE_CHECKING:
    from proxy.cli.http.exchange import Response

TIMEOUT_SECONDS = 30.0
NOTED_OFFSET = timedelta(minutes=2)
"""Differences between two clocks below this are ignored."""

MAX_BODY_BYTES = 8 * 1024 * 1024
"""Limit for a response after decompression. Sekisho sends none that is larger."""

MAX_VALUES = 500_000
"""Limit for the values of a JSON body. A small value takes 20 times as much memory as its text."""

MAX_LINE_BYTES = 1024 * 1024
"""Limit for one line of a response that is streamed."""

_FORM = "application/x-www-form-urlencoded"


class Unreachable(CommandFailed):
    """The server did not respond."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A response of the server. ``data`` is empty if the body is not a JSON object."""

    status: int
    data: Mapping[str, Any]
    wait: str | None
    date: datetime | None = None
    """The time by the server's clock (RFC 9110 §6.6.1)."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Header fields, with names in lower case."""
    body: bytes = field(default=b"", repr=False)
    """The body as received, for text that is not JSON."""

    @property
    def refusal(self) -> str:
        """The reason of an error, for the user."""
        texts = (self.data.get("detail"), self.data.get("error_description"))
        sent = next((one for one in texts if isinstance(one, str) and one), None)
        detail = sent or _unexplained(self.status)
        if self.status in {429, 503} and self.wait and self.wait not in detail:
            return f"{detail.removesuffix('; try again')}; try again in {self.wait} seconds"
        return detail

    @property
    def error(self) -> str:
        """The error code of the token endpoint (RFC 6749 §5.2)."""
        code = self.data.get("error")
        return code if isinstance(code, str) else ""

    @property
    def clock_offset(self) -> timedelta:
        """How far the server's clock is ahead of this machine's; zero below NOTED_OFFSET."""
        if self.date is None:
            return timedelta(0)
        offset = self.date - datetime.now(UTC)
        return offset if abs(offset) >= NOTED_OFFSET else timedelta(0)


def read_ca(ca_file: Path | None) -> str | None:
    """Return the certificates in a file. Raises CommandFailed if there are none."""
    if ca_file is None:
        return None
    try:
        text = ca_file.read_text()
        ssl.create_default_context(cadata=text)
    except (OSError, ssl.SSLError, ValueError):
        raise CommandFailed(f"--ca-file {ca_file} is not a PEM file of certificates") from None
    return text


def check_server(server: str) -> None:
    """Raise CommandFailed unless the URL protects passwords and tokens from readers."""
    try:
        parts = urlsplit(server)
    except ValueError:
        raise CommandFailed(f"--server {server} is not a URL; write it like https://host") from None
    local = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1", "localhost"}
    if not parts.hostname or not (parts.scheme == "https" or local):
        raise CommandFailed("--server must begin with https://, because it gets your password")


@dataclass(frozen=True, slots=True)
class StreamedReply:
    """The begin of a response, and its body in either ``lines`` or ``pieces``.

    Both are empty if the status is an error: see ``refused``.
    """

    status: int
    lines: AsyncIterator[bytes]
    pieces: AsyncIterator[bytes]
    headers: Mapping[str, str]
    refused: Reply | None = None


@dataclass(frozen=True, slots=True)
class ServerClient:
    """Send requests to one server. ``ca_pem`` None means the system's trust store."""

    server: str
    ca_pem: str | None = None
    timeout: float = TIMEOUT_SECONDS

    async def get(self, path: str, *, token: str | None = None) -> Reply:
        """Send GET. Raises Unreachable."""
        return await self.send("GET", path, token=token)

    async def post(self, path: str, body: object = None, *, token: str | None = None) -> Reply:
        """Send POST with JSON. Raises Unreachable."""
        return await self.send("POST", path, body, token=token)

    async def post_form(self, path: str, **form: str) -> Reply:
        """Send POST with a form. Raises Unreachable."""
        raw = urlencode(form).encode()
        return await self._request("POST", path, raw, {"Content-Type": _FORM})

    async def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send a request of any method; ``body`` None sends none. Raises Unreachable."""
        raw = None if body is None else json.dumps(body).encode()
        kind = {} if raw is None else {"Content-Type": "application/json"}
        return await self._request(method, path, raw, {**kind, **_bearer(token), **(headers or {})})

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        most: int = MAX_LINE_BYTES,
    ) -> AsyncIterator[StreamedReply]:
        """Send GET and yield a response whose body arrives as the server sends it.

        The timeout counts until the response begins. Lines have at most ``most`` bytes. Raises
        Unreachable, also from ``lines`` and ``pieces``.
        """
        all_headers = {**_bearer(token), **(headers or {})}
        async with AsyncExitStack() as stack:
            with self._explained() as proxy:
                sent = self._exchange("GET", path, None, all_headers, proxy)
                async with asyncio.timeout(self.timeout):
                    response = await stack.enter_async_context(sent)
                    refused = None if response.status == 200 else await _reply(response)
            # Errors of the code in the block are not the server's.
            lines, pieces = self._each(response.lines(most)), self._each(response.pieces())
            yield StreamedReply(response.status, lines, pieces, response.headers, refused)

    async def _each(self, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        while True:
            with self._explained():
                part = await anext(parts, None)
            if part is None:
                return
            yield part

    async def _request(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Reply:
        with self._explained() as proxy:
            async with (
                asyncio.timeout(self.timeout),
                self._exchange(method, path, body, headers, proxy) as response,
            ):
                return await _reply(response)

    def _exchange(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        proxy: str | None,
    ) -> AbstractAsyncContextManager["Response"]:
        from proxy.cli.http.exchange import exchange

        return exchange(
            method,
            normalised(self.server) + path,
            tls=self._tls(),
            proxy=proxy,
            headers=headers,
            body=body,
        )

    @contextmanager
    def _explained(self) -> Iterator[str | None]:
        """Yield the HTTP proxy's URL, and turn errors of the connection into Unreachable."""
        from agent.http.errors import HttpError
        from proxy.cli.client.connection_errors import why_unreachable

        check_server(self.server)
        proxy = _http_proxy(normalised(self.server))
        try:
            yield proxy
        except (HttpError, OSError, ValueError) as exc:
            why = why_unreachable(exc, self.server, self.timeout, proxy)
            raise Unreachable(why) from exc

    def _tls(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cadata=self.ca_pem)
        except (ssl.SSLError, ValueError):
            raise CommandFailed(
                f"the CA that is stored for {self.server} can't be used; sign in with --ca-file"
            ) from None


def _http_proxy(url: str) -> str | None:
    """Return the URL of the HTTP proxy for a server. Raises CommandFailed."""
    from agent.http.errors import InvalidProxy
    from agent.http.proxies import proxy_for

    try:
        return proxy_for(url, os.environ)
    except InvalidProxy as exc:
        raise CommandFailed(str(exc)) from None


def _bearer(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


async def _reply(response: "Response") -> Reply:
    """Read a response. ``data`` is empty for bodies that are no JSON (a load balancer's page)."""
    body = await response.read(MAX_BODY_BYTES)
    headers = response.headers
    wait, date = headers.get("retry-after"), headers.get("date")
    return Reply(response.status, _object(body), wait, _date(date), headers, body)


def _object(body: bytes) -> dict[str, Any]:
    if body.count(b",") + body.count(b"[") + body.count(b"{") > MAX_VALUES:
        return {}
    try:
        data = load_json(body)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _date(text: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _unexplained(status: int) -> str:
    if 300 <= status < 400:
        return f"the server responded {status}, a redirect; is --server its own address?"
    if status >= 500:
        return f"the server responded {status} without a reason; try again, or see its log"
    return f"the server responded {status} without a reason; is --server right?"
