"""Fixtures: a fake GitHub, and started providers for it."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from providers.github.provider import GithubProvider
from providers.github.settings import GithubSettings
from tests.support.fake_github import CLIENT, SECRET, FakeGithub, fake_github
from tests.support.isolation import free_port

Make = Callable[..., Awaitable[GithubProvider]]


class WallClock:
    """Wall clock that the test may advance."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def wall_clock() -> WallClock:
    return WallClock()


@pytest.fixture
async def github() -> AsyncIterator[FakeGithub]:
    async with fake_github(free_port()) as running:
        yield running


@pytest.fixture
async def make(github: FakeGithub, wall_clock: WallClock) -> AsyncIterator[Make]:
    """Return a factory of started providers. ``changes`` override settings."""
    started = []

    async def make(**changes: Any) -> GithubProvider:
        values = {"client_id": CLIENT, "client_secret": SECRET, "base_url": github.root} | changes
        provider = GithubProvider("ghe", GithubSettings.model_validate(values), wall_clock)
        await provider.start()
        started.append(provider)
        return provider

    yield make
    for one in started:
        await one.close()
