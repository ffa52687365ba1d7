"""Waiting for whatever comes first."""

import asyncio

import pytest

from proxy.first_of import first_of


async def test_the_first_that_ends_ends_it_and_the_others_are_cancelled() -> None:
    never = asyncio.Event()
    ended: list[str] = []

    async def other() -> None:
        try:
            await never.wait()
        finally:
            ended.append("other")

    await first_of(asyncio.sleep(0), other())
    assert ended == ["other"]


async def test_what_the_first_raises_is_raised() -> None:
    async def fails() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await first_of(asyncio.Event().wait(), fails())


async def test_whoever_waits_may_be_cancelled() -> None:
    waiting = asyncio.create_task(first_of(asyncio.Event().wait()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
