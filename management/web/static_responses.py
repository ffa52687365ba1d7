"""Responses that are built once and served from memory, with an ETag.

Pages need no credential, so a response must be cheap for any number of requests.
"""

import asyncio
import gzip
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

_DAY = 86_400
"""Seconds. What may be kept for longer has a path that names its bytes, so it never changes."""

_MAX_TAGS = 1024
"""Characters of If-None-Match and Accept-Encoding that are parsed."""


@dataclass(frozen=True, slots=True)
class StaticResponse:
    """A body with its headers."""

    body: bytes
    compressed: bytes
    content_type: str
    etag: str
    max_age: int

    @classmethod
    def of(cls, body: bytes, content_type: str, *, max_age: int = 0) -> "StaticResponse":
        """Return a response with an ETag of its bytes. ``max_age``: seconds it may be cached."""
        digest = hashlib.sha256(body).hexdigest()[:32]
        # The time in gzip's header is fixed, so that replicas send the same bytes.
        compressed = gzip.compress(body, 6, mtime=0)
        return cls(body, compressed, content_type, f'"{digest}"', max_age)

    def response(self, request: web.Request) -> web.Response:
        """Return the bytes, or 304 if the client has them (RFC 9110 §13.1.2)."""
        compress = _accepts_gzip(request.headers.get("Accept-Encoding", ""))
        # Each encoding has its tag (RFC 9110 §8.8.3.3).
        tag = f'{self.etag[:-1]}-gzip"' if compress else self.etag
        headers = {
            "ETag": tag,
            "Cache-Control": _cache_control(self.max_age),
            "Vary": "Accept-Encoding",
        }
        if _has(request.headers.get("If-None-Match", ""), tag):
            return web.Response(status=304, headers=headers)
        headers["Content-Type"] = self.content_type
        if compress:
            headers["Content-Encoding"] = "gzip"
        return web.Response(body=self.compressed if compress else self.body, headers=headers)


def _cache_control(max_age: int) -> str:
    if not max_age:
        return "no-cache"
    return f"max-age={max_age}, immutable" if max_age > _DAY else f"max-age={max_age}"


def _accepts_gzip(given: str) -> bool:
    """Return whether a client accepts gzip, as browsers say it; a refusal (``q=0``) is none."""
    return any(one.strip() == "gzip" for one in given[:_MAX_TAGS].split(","))


def _has(tags: str, etag: str) -> bool:
    found = (one.strip().removeprefix("W/") for one in tags[:_MAX_TAGS].split(","))
    return any(one in {etag, "*"} for one in found)


class LazyResponse:
    """Build a response on first use, in a thread: it may take a second."""

    def __init__(self, make: Callable[[], StaticResponse]) -> None:
        self._make = make
        self._built: StaticResponse | None = None
        self._building: asyncio.Task[StaticResponse] | None = None

    async def get(self) -> StaticResponse:
        """Return the response. Concurrent requests wait for the same one."""
        if self._built is not None:
            return self._built
        building = self._building
        if building is None or building.get_loop() is not asyncio.get_running_loop():
            building = self._building = asyncio.ensure_future(asyncio.to_thread(self._make))
        try:
            self._built = await asyncio.shield(building)
        finally:
            if building.done():
                self._building = None
        return self._built
