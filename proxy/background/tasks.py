"""Tasks that run beside the server for as long as it does."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

RESTART_SECONDS = 1.0
"""How long to wait before a task that failed is started again."""

STOP_SECONDS = 5.0
"""How long the ends of tasks are waited for."""

_LOG = structlog.get_logger("sekisho.background")


class Background:
    """Keeps tasks running: one that fails is logged and started again; none fails the server."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run ``run()`` until :meth:`stop`, again and again if it ends or fails."""
        self._tasks.append(asyncio.create_task(self._keep(name, run), name=name))

    async def stop(self) -> None:
        """Cancel every task and wait for their ends; not for long, as a database may hang."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=STOP_SECONDS)
            for task in late:
                _LOG.warning("background task doesn't end", task=task.get_name())
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
