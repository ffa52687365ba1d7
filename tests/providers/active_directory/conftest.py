"""A provider in front of the session's Active Directory."""

import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import pytest

from providers.active_directory import ActiveDirectoryProvider
from tests.parts.samba import Samba

Providing = Callable[..., Coroutine[Any, Any, ActiveDirectoryProvider]]


@pytest.fixture
async def providing(samba: Samba) -> AsyncIterator[Providing]:
    """Makes started providers; keyword arguments are settings. They end with the test."""
    async with AsyncExitStack() as stack:

        async def make(**changes: Any) -> ActiveDirectoryProvider:
            made = ActiveDirectoryProvider("corp", samba.settings(**changes), time.monotonic)
            await made.start()
            stack.push_async_callback(made.close)
            return made

        yield make


@pytest.fixture
async def corp(providing: Providing) -> ActiveDirectoryProvider:
    """The provider as most operators have it."""
    return await providing()
