"""All workers: started together, each started again when it ends, stopped together.

Theory of operation. Until every worker has been ready once, Sekisho starts: a worker that ends
then ends the start, for what keeps one from starting keeps the others. After that a worker that
ends is started again: at once where it had served for a while, later and later where it dies
young. When no worker is left and the last one has died young :data:`GIVE_UP_AFTER` times, there is
no use in going on: whoever looks after Sekisho shall know.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from proxy.first_of import first_of
from proxy.worker_channel import WorkerFailed
from proxy.worker_process import WorkerProcess

STEADY_SECONDS = 10.0
"""Whoever served for that long didn't die young."""

LONGEST_PAUSE_SECONDS = 30.0

GIVE_UP_AFTER = 5
"""Early deaths of one worker, one after the other, while nobody else serves."""

_LOG = structlog.get_logger("sekisho.workers")


@dataclass(slots=True, eq=False)
class Worker:
    """A worker's place, whichever process has it."""

    number: int
    process: WorkerProcess | None = None
    ready: bool = False
    starts: int = 0
    died_young: int = 0
    """How often in a row."""


def pause(died_young: int) -> float:
    """Seconds until a worker is started again that died young so many times in a row. Pure."""
    if died_young < 2:
        return 0.0
    return min(2.0 ** min(died_young - 2, 10), LONGEST_PAUSE_SECONDS)


class Crew:
    """The workers.

    ``start`` starts a process for the worker of that number; ``pause`` says how many seconds to
    wait before, for one that died young so many times.
    """

    def __init__(
        self,
        count: int,
        start: Callable[[int], Awaitable[WorkerProcess]],
        *,
        pause: Callable[[int], float] = pause,
    ) -> None:
        self.workers: Sequence[Worker] = tuple(map(Worker, range(count)))
        self._start_process = start
        self._pause_after = pause
        self._go = asyncio.Event()
        self._stopping = asyncio.Event()
        self._all_ready = asyncio.Event()
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start every process, and keep them until :meth:`stop`. They serve after :meth:`go`."""
        self._tasks = [asyncio.create_task(self._keep(worker)) for worker in self.workers]

    def go(self) -> None:
        """What is done once has been done: let them serve."""
        self._go.set()

    async def all_ready(self) -> None:
        """Wait until every worker has been ready. Raises WorkerFailed where one ends before."""
        await first_of(self._all_ready.wait(), self.run())

    async def run(self) -> None:
        """Wait for the end of it all: WorkerFailed where workers can't be kept running."""
        await asyncio.shield(self._over)

    async def stop(self, seconds: float) -> None:
        """Let every worker end in order, all at once; kill who hasn't after so many seconds."""
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
            seconds = self._pause_after(worker.died_young)
            _LOG.error("worker ended", worker=worker.number, how=how, again_in_seconds=seconds)
            # One that is still starting may yet serve.
            if all(one.died_young >= GIVE_UP_AFTER and not one.ready for one in self.workers):
                self._end(WorkerFailed((f"workers end as soon as they start: {how}",)))
                return
            await self._pause(seconds)

    async def _one_life(self, worker: Worker) -> str:
        """Start a process and wait for its end; how it ended. Raises WorkerFailed."""
        process = await self._start_process(worker.number)
        worker.process = process
        worker.starts += 1
        worker.died_young += 1  # taken back once it has lived
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
                worker.died_young = 0

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass

    def _end(self, failure: WorkerFailed) -> None:
        if not self._over.done() and not self._stopping.is_set():
            self._over.set_exception(failure)
            self._over.exception()  # nobody need wait for it
