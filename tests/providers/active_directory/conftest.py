"""Fixtures: a provider for the session's Active Directory."""

import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import pytest

from providers.active_directory.provider import active_directory_provider
from providers.ldap.directory_provider import DirectoryProvider
from tests.support.samba import Samba

MakeProvider = Callable[..., Coroutine[Any, Any, DirectoryProvider]]


@pytest.fixture
async def make_provider(samba: Samba) -> AsyncIterator[MakeProvider]:
    """Return a factory of started providers, closed after the test. ``changes`` are settings."""
    async with AsyncExitStack() as stack:

        async def make(**changes: Any) -> DirectoryProvider:
            provider = active_directory_provider("corp", samba.settings(**changes), time.monotonic)
            await provider.start()
            stack.push_async_callback(provider.close)
            return provider

        yield make


@pytest.fixture
async def corp(make_provider: MakeProvider) -> DirectoryProvider:
    """Return a provider with common settings."""
    return await make_provider()
