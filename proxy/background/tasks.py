"""Tasks that run beside the server, and waiting for the first of several."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from config.loggers import get_logger
from management.backoff import Backoff

RESTART_SECONDS, LONGEST_RESTART = 1.0, 5.0
"""Seconds before a task that failed is restarted: at first, and at most. Some tasks deliver
revocations, so the pause stays short."""

STOP_SECONDS = 5.0
"""How long :meth:`BackgroundTasks.stop` waits for the tasks to end."""

_LOG = get_logger(__name__)


class BackgroundTasks:
    """Run tasks and restart those that end or fail. A failed task never stops the server."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run ``run()`` until :meth:`stop`. Restart it when it ends or fails."""
        self._tasks.append(asyncio.create_task(self._keep(name, run), name=name))

    async def stop(self) -> None:
        """Cancel every task and wait STOP_SECONDS at most: a database may not respond."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=STOP_SECONDS)
            for task in late:
                _LOG.warning("background task doesn't end", task=task.get_name())
        self._tasks.clear()

    async def _keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        backoff = Backoff(RESTART_SECONDS, LONGEST_RESTART)
        while True:
            backoff.begin()
            try:
                await run()
            except asyncio.CancelledError:
                raise
            except Exception:
                _LOG.exception("background task failed", task=name)
            await asyncio.sleep(backoff.pause())


async def wait_first(*waiting: Coroutine[Any, Any, object]) -> None:
    """Wait until one coroutine ends, and cancel the others. Raises what that one raises."""
    tasks = [asyncio.create_task(one) for one in waiting]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
