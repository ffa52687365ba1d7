"""The worker pool with real processes that run small scripts."""

import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from proxy.workers.ipc import WorkerConfig, WorkerFailed
from proxy.workers.pool import GIVE_UP_AFTER, LONGEST_PAUSE_SECONDS, WorkerPool, restart_delay
from proxy.workers.process import WorkerProcess
from tests.support.waiting import eventually

SERVES = """
import signal, sys, time
from proxy.workers.ipc import SupervisorChannel
supervisor = SupervisorChannel()
config = supervisor.config()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
supervisor.ready()
time.sleep(600)
"""
IGNORES_SIGTERM = SERVES.replace("lambda *_: sys.exit(0)", "signal.SIG_IGN")
EXITS_EARLY = SERVES.replace("time.sleep(600)", "sys.exit(3)")
FAILS_WITH_REASON = """
from proxy.workers.ipc import SupervisorChannel
supervisor = SupervisorChannel()
number = supervisor.config().number
supervisor.failed((f"worker {number} has no socket",), "a trace")
"""
FAILS_SILENTLY = "import sys; sys.exit(7)"


def scripts(*by_number: str) -> Callable[[int], Awaitable[WorkerProcess]]:
    """Return a function that starts the script of a worker's number."""

    async def start(number: int) -> WorkerProcess:
        assignment = WorkerConfig(number, len(by_number), "/nowhere", "config: {}")
        return await WorkerProcess.start(assignment, (sys.executable, "-c", by_number[number]))

    return start


@asynccontextmanager
async def running(*by_number: str) -> AsyncIterator[WorkerPool]:
    """Run a pool that restarts workers without a pause; stop it at the end."""
    pool = WorkerPool(len(by_number), scripts(*by_number), restart_delay=lambda early_ends: 0.0)
    pool.start()
    try:
        pool.go()
        yield pool
    finally:
        await pool.stop(0.1)
        assert [worker.process for worker in pool.workers] == [None] * len(by_number)


async def test_pool_is_ready_when_all_workers_are_and_stop_ends_them() -> None:
    async with running(SERVES, SERVES, SERVES) as pool:
        await pool.all_ready()
        assert [worker.ready for worker in pool.workers] == [True] * 3
        await pool.stop(20)
        assert [worker.starts for worker in pool.workers] == [1] * 3


async def test_worker_does_not_serve_before_go() -> None:
    pool = WorkerPool(1, scripts(SERVES))
    pool.start()
    await eventually(lambda: pool.workers[0].process)
    assert not pool.workers[0].ready
    pool.go()
    await pool.all_ready()
    await pool.stop(20)


async def test_stop_before_go_ends_workers_and_logs_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def start_and_stop() -> None:
        pool = WorkerPool(1, scripts(SERVES))
        pool.start()
        await eventually(lambda: pool.workers[0].process)
        await pool.stop(20)
        assert pool.workers[0].process is None

    await start_and_stop()
    gc.collect()
    assert not caplog.records


async def test_worker_that_ignores_sigterm_is_killed() -> None:
    async with running(SERVES, IGNORES_SIGTERM) as pool:
        await pool.all_ready()
        await pool.stop(0.5)


async def test_stop_during_the_start_ends_all_workers() -> None:
    async with running(SERVES, "import time; time.sleep(600)") as pool:
        await eventually(lambda: pool.workers[0].ready)
        assert not pool.workers[1].ready


async def test_worker_that_ends_is_restarted_and_others_are_kept() -> None:
    async with running(SERVES, SERVES) as pool:
        await pool.all_ready()
        before = [worker.process for worker in pool.workers]
        assert before[0] is not None
        os.kill(before[0].pid, signal.SIGKILL)
        await eventually(lambda: pool.workers[0].starts == 2 and pool.workers[0].ready)
        assert pool.workers[1].process is before[1]


async def test_start_fails_with_the_reason_of_a_worker() -> None:
    async with running(SERVES, FAILS_WITH_REASON) as pool:
        with pytest.raises(WorkerFailed) as failure:
            await pool.all_ready()
        assert failure.value.lines == ("worker 1 has no socket",)
        assert failure.value.trace == "a trace"


async def test_start_fails_when_a_worker_exits_without_a_reason() -> None:
    async with running(FAILS_SILENTLY) as pool:
        with pytest.raises(WorkerFailed, match="before it was ready: exit code 7"):
            await pool.all_ready()


async def test_run_fails_when_all_workers_exit_early() -> None:
    async with running(EXITS_EARLY) as pool:
        await pool.all_ready()
        with pytest.raises(WorkerFailed, match="end as soon as they start: exit code 3"):
            await pool.run()
        assert pool.workers[0].starts == GIVE_UP_AFTER


async def test_worker_that_exits_early_is_restarted_while_another_serves() -> None:
    async with running(SERVES, EXITS_EARLY) as pool:
        await pool.all_ready()
        await eventually(lambda: pool.workers[1].starts > GIVE_UP_AFTER + 1)
        assert pool.workers[0].ready


def test_restart_delay_doubles_up_to_its_maximum() -> None:
    assert [restart_delay(times) for times in range(6)] == [0, 0, 1, 2, 4, 8]
    assert restart_delay(10_000) == LONGEST_PAUSE_SECONDS


def test_repr_of_a_worker_configuration_omits_the_configuration() -> None:
    assert "secret" not in repr(WorkerConfig(0, 1, "/x", "secret"))
