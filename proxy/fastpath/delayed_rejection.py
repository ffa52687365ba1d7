"""A refusal that is kept back for a while, so that whoever heeds none asks less often.

See :mod:`proxy.overload`. The connection takes no other request meanwhile: that is the point.
"""

import asyncio

from proxy.express_connection import ExpressConnection
from proxy.status import Refusal


class HeldRefusal:
    """Takes the place of a request in the express lane until it is answered, or the client goes."""

    __slots__ = ("_connection", "_keep_alive", "_refusal", "_request_id", "_timer")

    def __init__(
        self, connection: ExpressConnection, refusal: Refusal, request_id: str, *, keep_alive: bool
    ) -> None:
        self._connection = connection
        self._refusal = refusal
        self._request_id = request_id
        self._keep_alive = keep_alive
        self._timer: asyncio.TimerHandle | None = None
        connection.running = self

    def answer_in(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        """Answer then, and let the connection go on."""
        self._timer = loop.call_later(seconds, self._answer)

    def client_gone(self) -> None:
        """The client didn't wait for it."""
        if self._timer is not None:
            self._timer.cancel()

    def _answer(self) -> None:
        self._connection.refuse(self._refusal, self._request_id, keep_alive=self._keep_alive)
        self._connection.express_ended(keep_alive=self._keep_alive)
