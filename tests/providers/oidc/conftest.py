"""Fixtures: a scripted issuer, and started providers for it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from providers.base import ProviderContext
from providers.conformance.password import NoAccounts
from providers.oidc.provider import PROVIDER, OidcDeviceProvider
from providers.oidc.settings import OidcSettings
from tests.support.isolation import free_port
from tests.support.scripted_issuer import ScriptedIssuer, scripted_issuer


class Clock:
    """Clock in seconds that the test advances."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


Make = Callable[..., Awaitable[Any]]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def issuer() -> AsyncIterator[ScriptedIssuer]:
    async with scripted_issuer(free_port()) as running:
        yield running


@pytest.fixture
async def make(issuer: ScriptedIssuer, clock: Clock) -> AsyncIterator[Make]:
    """Return a factory of started providers. ``changes`` override settings, None removes one."""
    started = []

    async def make(**changes: Any) -> OidcDeviceProvider:
        values = {
            "issuer": issuer.url,
            "client_id": "sekisho",
            "client_secret": "the client's secret",
        } | changes
        values = {name: value for name, value in values.items() if value is not None}
        settings = OidcSettings.model_validate(values)
        provider = PROVIDER.create("corp", settings, ProviderContext(NoAccounts(), clock))
        await provider.start()
        started.append(provider)
        return provider  # type: ignore[return-value]

    yield make
    for one in started:
        await one.close()
