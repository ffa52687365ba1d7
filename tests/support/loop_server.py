"""A server on an event loop in another thread, at a reserved port."""

import asyncio
from types import TracebackType
from typing import Self

from proxy.demo.local_cluster import Reserved
from tests.support.loop_thread import LoopThread


class LoopServer:
    """Base of servers for tests; a context manager. Subclasses listen and disconnect."""

    def __init__(self) -> None:
        self._reserved = Reserved.take()
        self._thread = LoopThread()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """Return the port for clients."""
        return self._reserved.port

    @property
    def url(self) -> str:
        """Return the HTTPS URL for clients."""
        return f"https://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.__enter__()
        self._thread.call(self._listen())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._thread.call(self._stop())
        self._thread.__exit__(kind, error, trace)
        self._reserved.socket.close()

    async def _listen(self) -> None:
        """Accept connections."""
        raise NotImplementedError

    async def _stop(self) -> None:
        """Stop listening and end all connections."""
        raise NotImplementedError

    def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _end_tasks(self) -> None:
        """Cancel all other tasks of the loop, and wait for their end."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
