"""Tasks that run beside the server for as long as it does."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

RESTART_SECONDS = 1.0
"""How long to wait before a task that failed is started again."""

_LOG = structlog.get_logger("sekisho.background")


class Background:
    """Keeps tasks running: one that fails is logged and started again; none fails the server."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run ``run()`` until :meth:`stop`, again and again if it ends or fails."""
        self._tasks.append(asyncio.create_task(self._keep(name, run), name=name))

    async def stop(self) -> None:
        """Cancel every task and wait for their ends."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await run()
            except asyncio.CancelledError:
                raise
            except Exception:
                _LOG.exception("background task failed", task=name)
            await asyncio.sleep(RESTART_SECONDS)
