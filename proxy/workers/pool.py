"""The pool of workers: start them together, restart each when it ends, stop them together.

Theory of operation. Sekisho starts until every worker has been ready once. If a worker ends in that
time, the start fails: the cause would also stop the others. After that, a worker that ends is
restarted: immediately if it has served for a while, and after a growing delay if it ended early.
If no worker serves and each has ended early :data:`GIVE_UP_AFTER` times in a row, the supervisor
gives up, so that the service manager and the operator notice.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from config.loggers import get_logger
from proxy.background.tasks import wait_first
from proxy.workers.ipc import WorkerFailed
from proxy.workers.process import WorkerProcess

STEADY_SECONDS = 10.0
"""A worker that served for less than this ended early."""

LONGEST_PAUSE_SECONDS = 30.0
"""The longest delay of a restart."""

GIVE_UP_AFTER = 5
"""Early ends of each worker in a row, while no worker serves, after which the pool gives up."""

_LOG = get_logger(__name__)


@dataclass(slots=True, eq=False)
class Worker:
    """A worker. Its process is replaced when it ends."""

    number: int
    process: WorkerProcess | None = None
    ready: bool = False
    starts: int = 0
    early_ends: int = 0
    """How often in a row its process has ended early."""


def restart_delay(early_ends: int) -> float:
    """Return the seconds before the restart of a worker after early ends in a row. Pure."""
    if early_ends < 2:
        return 0.0
    return min(2.0 ** min(early_ends - 2, 10), LONGEST_PAUSE_SECONDS)


class WorkerPool:
    """Start the workers and restart those that end.

    ``start`` starts a process for the worker with that number. ``restart_delay`` returns the
    seconds before a restart, from the number of early ends in a row.
    """

    def __init__(
        self,
        count: int,
        start: Callable[[int], Awaitable[WorkerProcess]],
        *,
        restart_delay: Callable[[int], float] = restart_delay,
    ) -> None:
        self.workers: Sequence[Worker] = tuple(map(Worker, range(count)))
        self._start_process = start
        self._restart_delay = restart_delay
        self._go = asyncio.Event()
        self._stopping = asyncio.Event()
        self._all_ready = asyncio.Event()
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start every process, and restart them until :meth:`stop`. They serve after :meth:`go`."""
        self._tasks = [asyncio.create_task(self._keep(worker)) for worker in self.workers]

    def go(self) -> None:
        """Let the workers serve: the supervisor has prepared everything."""
        self._go.set()

    async def all_ready(self) -> None:
        """Wait until every worker has been ready. Raises WorkerFailed if one ends before that."""
        await wait_first(self._all_ready.wait(), self.run())

    async def run(self) -> None:
        """Wait until the pool gives up. Raises WorkerFailed then."""
        await asyncio.shield(self._over)

    async def stop(self, seconds: float) -> None:
        """Stop all workers in order. Kill those that have not ended after ``seconds``."""
        self._stopping.set()
        for worker in self.workers:
            if worker.process is not None:
                worker.process.terminate()
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=seconds)
        if late:
            for worker in self.workers:
                if worker.process is not None:
                    _LOG.warning("worker doesn't end; killed", worker=worker.number)
                    worker.process.kill()
            await asyncio.wait(late)

    async def _keep(self, worker: Worker) -> None:
        while not self._stopping.is_set():
            try:
                how = await self._one_life(worker)
            except WorkerFailed as exc:
                if not self._all_ready.is_set():
                    self._end(exc)
                    return
                how = str(exc)
            if self._stopping.is_set():
                return
            seconds = self._restart_delay(worker.early_ends)
            _LOG.error("worker ended", worker=worker.number, how=how, again_in_seconds=seconds)
            # A worker that is still starting may serve later.
            if all(one.early_ends >= GIVE_UP_AFTER and not one.ready for one in self.workers):
                self._end(WorkerFailed((f"workers end as soon as they start: {how}",)))
                return
            await self._pause(seconds)

    async def _one_life(self, worker: Worker) -> str:
        """Start a process, and return how it ended. Raises WorkerFailed if it was never ready."""
        process = await self._start_process(worker.number)
        worker.process = process
        worker.starts += 1
        worker.early_ends += 1  # reset when it has served long enough
        if self._stopping.is_set():
            process.terminate()
        try:
            try:
                await process.until_ready(self._go)
            finally:
                worker.ready = False
            return await self._serving(worker, process)
        finally:
            await process.ended()
            worker.process = None

    async def _serving(self, worker: Worker, process: WorkerProcess) -> str:
        worker.ready = True
        began = time.monotonic()
        if self._all_ready.is_set():
            _LOG.info("worker ready", worker=worker.number, pid=process.pid)
        elif all(one.ready for one in self.workers):
            self._all_ready.set()
        try:
            return await process.ended()
        finally:
            worker.ready = False
            if time.monotonic() - began >= STEADY_SECONDS:
                worker.early_ends = 0

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass

    def _end(self, failure: WorkerFailed) -> None:
        if not self._over.done() and not self._stopping.is_set():
            self._over.set_exception(failure)
            self._over.exception()  # no task need wait for it
