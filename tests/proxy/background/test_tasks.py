"""Waiting for the first of several coroutines."""

import asyncio

import pytest

from proxy.background.tasks import wait_first


async def test_wait_first_returns_after_the_first_and_cancels_the_others() -> None:
    never = asyncio.Event()
    ended: list[str] = []

    async def other() -> None:
        try:
            await never.wait()
        finally:
            ended.append("other")

    await wait_first(asyncio.sleep(0), other())
    assert ended == ["other"]


async def test_wait_first_raises_the_error_of_the_first() -> None:
    async def fails() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await wait_first(asyncio.Event().wait(), fails())


async def test_wait_first_can_be_cancelled() -> None:
    waiting = asyncio.create_task(wait_first(asyncio.Event().wait()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
