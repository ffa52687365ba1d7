"""Work on several clusters: in order, some at a time, and not further than wanted."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

_Target = TypeVar("_Target")
_Result = TypeVar("_Result")


class OrderedRun(Generic[_Target, _Result]):
    """Work on targets that begins in their order, on at most ``concurrency`` at a time.

    ``results`` has the result of each target, in the same order; None while there is none. Work
    that has begun is not ended by :meth:`stop`.
    """

    def __init__(
        self,
        targets: Sequence[_Target],
        work: Callable[[_Target], Awaitable[_Result]],
        *,
        concurrency: int,
        stops: Callable[[_Result], bool] = lambda _: False,
    ) -> None:
        self.results: list[_Result | None] = [None] * len(targets)
        self.reason: str | None = None
        """Why the remaining targets were not begun, or None if all were."""
        self._targets = targets
        self._work = work
        self._concurrency = concurrency
        self._stops = stops
        self._begun = 0

    def stop(self, reason: str) -> None:
        """Begin no other target. The first reason counts."""
        self.reason = self.reason or reason

    async def run(self, *, begin_seconds: float) -> None:
        """Work on the targets. None is begun after ``begin_seconds``.

        ``work`` must not raise: a failure is a result. ``stops`` returns whether a result ends the
        run.
        """
        timer = asyncio.get_running_loop().call_later(begin_seconds, self.stop, "the time is over")
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._concurrency, len(self._targets))):
                    group.create_task(self._one_after_the_other())
        finally:
            timer.cancel()

    async def _one_after_the_other(self) -> None:
        while self._begun < len(self._targets) and self.reason is None:
            number = self._begun
            self._begun += 1
            self.results[number] = result = await self._work(self._targets[number])
            if self._stops(result):
                self.stop("an earlier cluster failed")
