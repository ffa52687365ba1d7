"""Work begins in order, some at a time, and stops when it must."""

import asyncio
from collections.abc import Callable

import pytest

from management.workload_changes.many_clusters import OrderedRun
from tests.support.waiting import eventually

LONG = 60.0


class Work:
    """Records when work begins, and ends it when the test says so."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ends: dict[str, asyncio.Event] = {}
        self.most = self.running = 0

    async def __call__(self, target: str) -> str:
        self.begun.append(target)
        self.running += 1
        self.most = max(self.most, self.running)
        await self.ends.setdefault(target, asyncio.Event()).wait()
        self.running -= 1
        return target.upper()

    def end(self, target: str) -> None:
        self.ends.setdefault(target, asyncio.Event()).set()


def a_run(work: Work, stops: Callable[[str], bool] = lambda _: False) -> OrderedRun[str, str]:
    return OrderedRun(list("abcd"), work, concurrency=2, stops=stops)


async def test_targets_begin_in_order_with_limited_concurrency() -> None:
    work = Work()
    run = a_run(work)
    running = asyncio.create_task(run.run(begin_seconds=LONG))
    await eventually(lambda: work.begun == ["a", "b"])
    work.end("b")
    await eventually(lambda: work.begun == ["a", "b", "c"])
    for one in "adc":
        work.end(one)
    await running
    assert (run.results, work.most, run.reason) == (list("ABCD"), 2, None)


async def test_failure_ends_the_run_after_what_has_begun() -> None:
    work = Work()
    run = a_run(work, stops=lambda result: result == "B")
    running = asyncio.create_task(run.run(begin_seconds=LONG))
    await eventually(lambda: work.begun == ["a", "b"])
    work.end("b")
    await eventually(lambda: run.reason is not None)
    work.end("a")
    await running
    assert (run.results, run.reason) == (["A", "B", None, None], "an earlier cluster failed")


async def test_stopped_run_begins_nothing_and_keeps_its_first_reason() -> None:
    work = Work()
    run = a_run(work)
    running = asyncio.create_task(run.run(begin_seconds=LONG))
    await eventually(lambda: len(work.begun) == 2)
    run.stop("the client left")
    run.stop("other")
    for one in "ab":
        work.end(one)
    await running
    assert (run.results, run.reason) == (["A", "B", None, None], "the client left")


async def test_no_target_begins_after_the_time() -> None:
    work = Work()
    run = a_run(work)
    running = asyncio.create_task(run.run(begin_seconds=0.01))
    await eventually(lambda: run.reason == "the time is over")
    for one in "ab":
        work.end(one)
    await running
    assert run.results[2:] == [None, None]


@pytest.mark.parametrize("targets", [[], ["a"]])
async def test_fewer_targets_than_concurrency_complete(targets: list[str]) -> None:
    work = Work()
    work.end("a")
    run = OrderedRun(targets, work, concurrency=5)
    await run.run(begin_seconds=LONG)
    assert run.results == [one.upper() for one in targets]
