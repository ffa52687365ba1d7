"""A rejection that is sent after a delay, so that a client without back-off sends fewer requests.

See :mod:`proxy.limits.overload`. The connection handles no other request meanwhile, which is the
purpose of the delay.
"""

import asyncio

from proxy.fastpath.connection import FastPathConnection
from proxy.response.status import StatusError


class DelayedRejection:
    """Occupies the connection as a request does, until it is sent or the client leaves."""

    __slots__ = ("_connection", "_error", "_keep_alive", "_request_id", "_timer")

    def __init__(
        self,
        connection: FastPathConnection,
        error: StatusError,
        request_id: str,
        *,
        keep_alive: bool,
    ) -> None:
        self._connection = connection
        self._error = error
        self._request_id = request_id
        self._keep_alive = keep_alive
        self._timer: asyncio.TimerHandle | None = None
        connection.running = self

    def send_later(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        """Send the rejection after ``seconds``, and continue with the connection."""
        self._timer = loop.call_later(seconds, self._send)

    def client_gone(self) -> None:
        """Cancel the rejection after the client left."""
        if self._timer is not None:
            self._timer.cancel()

    def _send(self) -> None:
        self._connection.send_status(self._error, self._request_id, keep_alive=self._keep_alive)
        self._connection.request_done(keep_alive=self._keep_alive)
