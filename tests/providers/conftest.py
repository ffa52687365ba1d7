"""Fixtures: a throttled provider, and its clock."""

import pytest

from providers.throttle import ThrottledAuthenticator
from tests.providers.attempts import LIMITS, Clock, CountingProvider


@pytest.fixture
def provider() -> CountingProvider:
    return CountingProvider()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def throttled(provider: CountingProvider, clock: Clock) -> ThrottledAuthenticator:
    return ThrottledAuthenticator(provider, LIMITS, clock)
