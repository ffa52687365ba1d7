"""An issuer that does as told, and providers for it, each started."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from providers.base import ProviderContext
from providers.contract import NoAccounts
from providers.oidc import PROVIDER, OidcDeviceProvider
from providers.oidc_settings import OidcSettings
from tests.parts.alone import free_port
from tests.parts.scripted_issuer import ScriptedIssuer, scripted_issuer


class Clock:
    """Seconds that go forward when a test says so."""

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
    """Makes providers with those settings beside the usual ones. None takes one out."""
    made = []

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
        made.append(provider)
        return provider  # type: ignore[return-value]

    yield make
    for one in made:
        await one.close()
