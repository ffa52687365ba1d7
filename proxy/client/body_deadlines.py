"""Time limits of request bodies that are still arriving, so that none holds a connection forever.

A body for the API has a deadline, because it is small. A body for a cluster may be large and take
hours, so it has a minimum rate instead: too few bytes in a whole window end it. Time in which the
server itself does not read from the client does not count.

Both set an exception on the body, which ends every kind of reader.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import StreamReader

from config.limit_settings import LimitSettings
from management.http.body import BodyTooSlow

_LOOKS = 4
"""Checks of a body within the shortest of the two times."""

_MOST_SECONDS = 1.0


@dataclass(slots=True, eq=False)
class _PendingBody:
    """An incomplete body. ``least`` bytes must arrive by ``until``; 0 means all of them."""

    content: StreamReader
    connection: Any
    seconds: float
    least: int
    until: float
    had: int = 0


class BodyDeadlines:
    """Ends bodies that arrive too slowly. One per process; without bodies it costs nothing."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        limits: LimitSettings,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._loop = loop
        self._ended = ended
        self._deadline = limits.body_timeout.total_seconds()
        self._window = limits.body_rate_window.total_seconds()
        self._least = int(limits.body_rate * self._window)
        self._every = min(_MOST_SECONDS, min(self._deadline, self._window) / _LOOKS)
        self._bodies: set[_PendingBody] = set()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, content: StreamReader, connection: Any, *, for_cluster: bool) -> None:
        """Check a body until it is complete."""
        if for_cluster and not self._least:
            return
        seconds, least = (self._window, self._least) if for_cluster else (self._deadline, 0)
        until = self._loop.time() + seconds
        self._bodies.add(_PendingBody(content, connection, seconds, least, until))
        if self._timer is None:
            self._timer = self._loop.call_later(self._every, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        self._bodies = {one for one in self._bodies if self._goes_on(one, now)}
        self._timer = self._loop.call_later(self._every, self._look) if self._bodies else None

    def _goes_on(self, body: _PendingBody, now: float) -> bool:
        content = body.content
        if content.is_eof() or content.exception() is not None or body.connection.transport is None:
            return False
        if body.connection.reading_paused:
            if body.least:
                body.had, body.until = content.total_bytes, now + body.seconds
            else:
                body.until += self._every
            return True
        if now < body.until:
            return True
        if body.least and content.total_bytes - body.had >= body.least:
            body.had, body.until = content.total_bytes, now + body.seconds
            return True
        self._ended()
        body.connection.fail_body(content, BodyTooSlow("the body did not arrive in time"))
        return False
