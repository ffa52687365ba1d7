"""Keeping workers: real processes, which are small scripts here."""

import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from proxy.worker_channel import Assignment, WorkerFailed
from proxy.worker_crew import GIVE_UP_AFTER, LONGEST_PAUSE_SECONDS, Crew, pause
from proxy.worker_process import WorkerProcess
from tests.parts.waiting import soon

SERVES = """
import signal, sys, time
from proxy.worker_channel import Supervisor
supervisor = Supervisor()
assignment = supervisor.assignment()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
supervisor.ready()
time.sleep(600)
"""
DEAF = SERVES.replace("lambda *_: sys.exit(0)", "signal.SIG_IGN")
DIES_YOUNG = SERVES.replace("time.sleep(600)", "sys.exit(3)")
SAYS_WHY = """
from proxy.worker_channel import Supervisor
supervisor = Supervisor()
number = supervisor.assignment().number
supervisor.failed((f"worker {number} has no hands",), "a trace")
"""
SAYS_NOTHING = "import sys; sys.exit(7)"


def scripts(*by_number: str) -> Callable[[int], Awaitable[WorkerProcess]]:
    """Starts those scripts as workers."""

    async def start(number: int) -> WorkerProcess:
        assignment = Assignment(number, len(by_number), "/nowhere", "config: {}")
        return await WorkerProcess.start(assignment, (sys.executable, "-c", by_number[number]))

    return start


@asynccontextmanager
async def running(*by_number: str) -> AsyncIterator[Crew]:
    """A crew that starts again without a pause, stopped at the end."""
    crew = Crew(len(by_number), scripts(*by_number), pause=lambda died_young: 0.0)
    crew.start()
    crew.go()
    try:
        yield crew
    finally:
        await crew.stop(0.1)
        assert [worker.process for worker in crew.workers] == [None] * len(by_number)


async def test_it_is_ready_when_all_are_and_stops_all() -> None:
    async with running(SERVES, SERVES, SERVES) as crew:
        await crew.all_ready()
        assert [worker.ready for worker in crew.workers] == [True] * 3
        await crew.stop(20)
        assert [worker.starts for worker in crew.workers] == [1] * 3


async def test_nobody_serves_before_all_is_prepared() -> None:
    crew = Crew(1, scripts(SERVES))
    crew.start()
    await soon(lambda: crew.workers[0].process)
    assert not crew.workers[0].ready
    crew.go()
    await crew.all_ready()
    await crew.stop(20)


async def test_it_can_be_stopped_before_all_is_prepared_and_nobody_complains(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def start_and_stop() -> None:
        crew = Crew(1, scripts(SERVES))
        crew.start()
        await soon(lambda: crew.workers[0].process)
        await crew.stop(20)
        assert crew.workers[0].process is None

    await start_and_stop()
    gc.collect()
    assert not caplog.records


async def test_who_does_not_end_is_killed() -> None:
    async with running(SERVES, DEAF) as crew:
        await crew.all_ready()
        await crew.stop(0.5)


async def test_it_can_be_stopped_while_it_starts() -> None:
    async with running(SERVES, "import time; time.sleep(600)") as crew:
        await soon(lambda: crew.workers[0].ready)
        assert not crew.workers[1].ready


async def test_who_ends_is_started_again_and_the_others_stay() -> None:
    async with running(SERVES, SERVES) as crew:
        await crew.all_ready()
        before = [worker.process for worker in crew.workers]
        assert before[0] is not None
        os.kill(before[0].pid, signal.SIGKILL)
        await soon(lambda: crew.workers[0].starts == 2 and crew.workers[0].ready)
        assert crew.workers[1].process is before[1]


async def test_one_that_cannot_start_ends_the_start_and_says_why() -> None:
    async with running(SERVES, SAYS_WHY) as crew:
        with pytest.raises(WorkerFailed) as failure:
            await crew.all_ready()
        assert failure.value.lines == ("worker 1 has no hands",)
        assert failure.value.trace == "a trace"


async def test_one_that_ends_without_a_word_ends_the_start_too() -> None:
    async with running(SAYS_NOTHING) as crew:
        with pytest.raises(WorkerFailed, match="before it was ready: exit code 7"):
            await crew.all_ready()


async def test_where_all_die_young_there_is_no_use_in_going_on() -> None:
    async with running(DIES_YOUNG) as crew:
        await crew.all_ready()
        with pytest.raises(WorkerFailed, match="end as soon as they start: exit code 3"):
            await crew.run()
        assert crew.workers[0].starts == GIVE_UP_AFTER


async def test_while_one_serves_the_others_are_tried_again_and_again() -> None:
    async with running(SERVES, DIES_YOUNG) as crew:
        await crew.all_ready()
        await soon(lambda: crew.workers[1].starts > GIVE_UP_AFTER + 1)
        assert crew.workers[0].ready


def test_pauses_grow_and_have_an_end() -> None:
    assert [pause(times) for times in range(6)] == [0, 0, 1, 2, 4, 8]
    assert pause(10_000) == LONGEST_PAUSE_SECONDS


def test_an_assignment_shows_no_configuration() -> None:
    assert "secret" not in repr(Assignment(0, 1, "/x", "secret"))
