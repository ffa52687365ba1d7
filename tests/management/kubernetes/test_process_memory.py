"""Who gets the memory for objects of clusters, and who loses it, when all of it is in use."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from structlog.testing import capture_logs

from management.kubernetes.errors import ApiResponseTooLarge, MemoryExhausted
from management.kubernetes.process_memory import (
    EXHAUSTED_SECONDS,
    ClusterBudget,
    ProcessMemory,
)

MiB = 1024 * 1024


class Clusters:
    """The budgets of clusters that share a memory of 100 MiB."""

    def __init__(self, stack: ExitStack, *names: str) -> None:
        self.memory = ProcessMemory(100 * MiB)
        self._stack = stack
        self.budgets = {name: self.open(name) for name in names}

    def open(self, name: str) -> ClusterBudget:
        return self._stack.enter_context(self.memory.budget(name))

    def __getitem__(self, name: str) -> ClusterBudget:
        return self.budgets[name]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_cluster_may_use_all_memory_while_no_other_needs_it(stack: ExitStack) -> None:
    clusters = Clusters(stack, "a", "b", "c", "d")
    clusters["a"].take("list", 100 * MiB)
    assert clusters.memory.taken == 100 * MiB
    assert not clusters["a"].is_dropped


def test_cluster_above_its_share_gets_nothing_when_memory_is_in_use(stack: ExitStack) -> None:
    clusters = Clusters(stack, "a", "b")
    clusters["a"].take("list", 70 * MiB)
    with pytest.raises(MemoryExhausted, match=r"\(100 MiB\).*raise controllers\.memory"):
        clusters["a"].take("list", 101 * MiB)
    assert clusters["a"].taken == clusters.memory.taken == 70 * MiB
    assert clusters.memory.refused == 1


def test_cluster_below_its_share_gets_it_and_the_largest_is_dropped(stack: ExitStack) -> None:
    clusters = Clusters(stack, "a", "b", "c", "good")
    for name, size in (("a", 30), ("b", 46), ("c", 24)):
        clusters[name].take("list", size * MiB)
    clusters["good"].take("list", 25 * MiB)
    assert [one.cluster for one in clusters.budgets.values() if one.is_dropped] == ["b"]
    assert clusters.memory.dropped == 1


def test_cluster_that_was_dropped_gets_nothing_and_no_other_is_dropped_for_its_bytes(
    stack: ExitStack,
) -> None:
    clusters = Clusters(stack, "a", "b", "good", "other")
    clusters["a"].take("list", 60 * MiB)
    clusters["b"].take("list", 40 * MiB)
    clusters["good"].take("list", 10 * MiB)
    clusters["other"].take("list", 10 * MiB)
    assert [clusters["a"].is_dropped, clusters["b"].is_dropped] == [True, False]
    with pytest.raises(MemoryExhausted):
        clusters["a"].take("more", 1)


def test_many_clusters_that_want_all_never_take_more_than_the_limit(stack: ExitStack) -> None:
    clusters = Clusters(stack, *(f"c{number}" for number in range(100)))
    for step in range(1, 20):
        for budget in clusters.budgets.values():
            try:
                budget.take("list", step * 3 * MiB)
            except MemoryExhausted:
                continue
            assert clusters.memory.taken <= 100 * MiB
    good = clusters.open("good")
    share = clusters.memory.share
    assert share is not None
    good.take("list", share)
    held = sum(one.taken for one in clusters.budgets.values() if not one.is_dropped)
    assert held + good.taken <= 100 * MiB


def test_share_shrinks_when_clusters_join_and_each_newcomer_gets_its_own(stack: ExitStack) -> None:
    clusters = Clusters(stack, "first")
    clusters["first"].take("list", 100 * MiB)
    for number in range(9):
        clusters.open(f"new-{number}").take("list", 100 * MiB // 10)
    assert clusters["first"].is_dropped


def test_memory_of_a_budget_that_ends_is_released(stack: ExitStack) -> None:
    clusters = Clusters(stack, "a")
    with clusters.memory.budget("b") as budget:
        budget.take("list", 90 * MiB)
        clusters["a"].take("list", 30 * MiB)
        assert budget.is_dropped
    assert clusters.memory.taken == 30 * MiB
    clusters["a"].take("list", 100 * MiB)


def test_small_responses_need_no_memory_and_large_ones_are_released(stack: ExitStack) -> None:
    clusters = Clusters(stack, "a", "b")
    clusters["b"].take("list", 100 * MiB)
    with clusters["b"].reading() as held:
        held(64 * 1024)
        with pytest.raises(MemoryExhausted):
            held(2 * MiB)
    with clusters["a"].reading() as held:
        held(2 * MiB)
        assert clusters["a"].taken == 2 * MiB - 64 * 1024
    assert clusters["a"].taken == 0


def test_limit_of_one_cluster_is_below_that_of_all(stack: ExitStack) -> None:
    budget = stack.enter_context(ProcessMemory(100 * MiB).budget("a", most=10 * MiB))
    with pytest.raises(ApiResponseTooLarge):
        budget.take("list", 11 * MiB)
    assert budget.taken == 0


def test_memory_without_a_limit_refuses_nothing(stack: ExitStack) -> None:
    memory = ProcessMemory()
    for number in range(100):
        stack.enter_context(memory.budget(f"c{number}")).take("list", 200 * MiB)
    assert memory.refused == 0


def test_exhaustion_is_logged_once_until_nothing_was_refused_for_a_while(stack: ExitStack) -> None:
    now = [0.0]
    memory = ProcessMemory(100 * MiB, clock=lambda: now[0])
    budget = stack.enter_context(memory.budget("a"))
    budget.take("list", 100 * MiB)
    assert not memory.exhausted
    with capture_logs() as logged:
        for _ in range(2):
            for _ in range(3):
                with pytest.raises(MemoryExhausted):
                    budget.take("more", 1)
                now[0] += EXHAUSTED_SECONDS / 2
                assert memory.exhausted
            now[0] += EXHAUSTED_SECONDS / 2
            assert not memory.exhausted
    assert [(one["log_level"], one["largest"]) for one in logged] == [("warning", "a")] * 2


def test_drop_is_logged_with_both_clusters(stack: ExitStack) -> None:
    clusters = Clusters(stack, "large", "small")
    clusters["large"].take("list", 100 * MiB)
    with capture_logs() as logged:
        clusters["small"].take("list", MiB)
    assert logged[-1]["event"] == "objects of a cluster dropped from memory"
    assert (logged[-1]["cluster"], logged[-1]["needed_by"]) == ("large", "small")
    assert logged[-1]["mib"] == 100


async def test_drop_ends_what_waits_for_it(stack: ExitStack) -> None:
    clusters = Clusters(stack, "a", "b")
    clusters["a"].take("list", 100 * MiB)
    waiting = asyncio.ensure_future(clusters["a"].raise_when_dropped())
    clusters["b"].take("list", MiB)
    with pytest.raises(MemoryExhausted):
        await waiting
