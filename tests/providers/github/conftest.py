"""A GitHub, and providers for it, each started."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from providers.github import GithubProvider
from providers.github_settings import GithubSettings
from tests.parts.alone import free_port
from tests.parts.fake_github import CLIENT, SECRET, FakeGithub, fake_github

Make = Callable[..., Awaitable[GithubProvider]]


class WallClock:
    """The time of day, which a test may put forward."""

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
    """Makes providers with those settings beside the usual ones."""
    made = []

    async def make(**changes: Any) -> GithubProvider:
        values = {"client_id": CLIENT, "client_secret": SECRET, "base_url": github.root} | changes
        provider = GithubProvider("ghe", GithubSettings.model_validate(values), wall_clock)
        await provider.start()
        made.append(provider)
        return provider

    yield make
    for one in made:
        await one.close()
