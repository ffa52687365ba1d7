"""An event loop in a separate thread, for coroutines in synchronous fixtures."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, Self, TypeVar

T = TypeVar("T")


class LoopThread:
    """An event loop that runs inside ``with``, independent of the loops of tests.

    The thread stays until the end, because child processes of the loop end with it.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def call(self, work: Coroutine[Any, Any, T], *, timeout: float = 600) -> T:
        """Run a coroutine on the loop and return its result. ``timeout`` is in seconds."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)
