"""Lookups of host names beside a DNS server that does not answer."""

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from providers.network.name_lookups import NameLookups
from tests.support.waiting import eventually

SILENT = "silent"


class Resolver:
    """A system's resolver: names that begin with ``silent`` wait until ``answer`` is called."""

    def __init__(self) -> None:
        self._answered = threading.Event()
        self._lock = threading.Lock()
        self.calls: Counter[str] = Counter()
        self.running: Counter[bool] = Counter()

    def answer(self) -> None:
        self._answered.set()

    def silence(self) -> None:
        self._answered.clear()

    def __call__(self, host: str, port: int | None, **options: Any) -> list[Any]:
        silent = host.startswith(SILENT)
        with self._lock:
            self.calls[host] += 1
            self.running[silent] += 1
        if silent:
            self._answered.wait()
        with self._lock:
            self.running[silent] -= 1
        if host == "unknown":
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [(socket.AF_INET, options["type"], 6, "", ("192.0.2.1", port))]


@pytest.fixture
def resolver() -> Iterator[Resolver]:
    """A resolver whose threads end with the test."""
    made = Resolver()
    yield made
    made.answer()


def asked(lookups: NameLookups, *names: str) -> list[asyncio.Task[list[Any]]]:
    return [asyncio.create_task(lookups.look_up(name, 443)) for name in names]


async def running(resolver: Resolver, silent: int) -> None:
    async def all_run() -> bool:
        return resolver.running[True] == silent

    await eventually(all_run, 60, lambda: str(resolver.running))


async def test_callers_of_one_silent_name_share_a_thread_and_delay_no_other_name(
    resolver: Resolver,
) -> None:
    lookups = NameLookups(resolver, threads=2)
    waiting = asked(lookups, *[SILENT] * 100)
    await running(resolver, 1)
    async with asyncio.timeout(60):
        assert (await lookups.look_up("good", 443))[0][4] == ("192.0.2.1", 443)
    assert resolver.calls[SILENT] == 1
    resolver.answer()
    async with asyncio.timeout(60):
        assert len(await asyncio.gather(*waiting)) == 100
    assert resolver.calls[SILENT] == 1


async def test_names_that_were_slow_leave_half_of_the_threads_to_others(resolver: Resolver) -> None:
    lookups = NameLookups(resolver, threads=4, slow_seconds=0.0)
    names = [f"{SILENT}-{number}" for number in range(10)]
    resolver.answer()
    async with asyncio.timeout(60):
        await asyncio.gather(*asked(lookups, *names))
    resolver.silence()
    waiting = asked(lookups, *names)
    await running(resolver, 2)
    async with asyncio.timeout(60):
        for number in range(10):
            await lookups.look_up(f"good-{number}", 443)
    assert resolver.running[True] == 2
    resolver.answer()
    async with asyncio.timeout(60):
        await asyncio.gather(*waiting)
    assert all(resolver.calls[name] == 2 for name in names)


async def test_more_names_than_threads_wait_for_each_other(resolver: Resolver) -> None:
    lookups = NameLookups(resolver, threads=3)
    waiting = asked(lookups, *(f"{SILENT}-{number}" for number in range(9)))
    await running(resolver, 3)
    resolver.answer()
    async with asyncio.timeout(60):
        assert len(await asyncio.gather(*waiting)) == 9
    assert max(resolver.calls.values()) == 1


async def test_caller_that_gives_up_leaves_the_lookup_to_the_others(resolver: Resolver) -> None:
    lookups = NameLookups(resolver)
    first, second = asked(lookups, SILENT, SILENT)
    await running(resolver, 1)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    resolver.answer()
    async with asyncio.timeout(60):
        assert await second


async def test_name_that_does_not_exist_fails_each_time(resolver: Resolver) -> None:
    lookups = NameLookups(resolver)
    for _ in range(2):
        with pytest.raises(socket.gaierror, match="no such name"):
            await lookups.look_up("unknown", 443)
    assert resolver.calls["unknown"] == 2


async def test_thread_that_waits_for_a_silent_name_gives_up_in_time(resolver: Resolver) -> None:
    lookups = NameLookups(resolver)
    with pytest.raises(TimeoutError):
        await asyncio.to_thread(lookups.wait, SILENT, 389, 0.01)
    assert lookups.wait("good", 389, 60)


async def test_address_is_looked_up_without_a_thread(resolver: Resolver) -> None:
    lookups = NameLookups(resolver, threads=1)
    [waiting] = asked(lookups, SILENT)
    await running(resolver, 1)
    async with asyncio.timeout(60):
        assert await lookups.look_up("192.0.2.7", 443)
        assert lookups.wait("::1", 443, 60)
    resolver.answer()
    async with asyncio.timeout(60):
        await waiting
