"""Fixtures: providers for the session's OpenLDAP."""

import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import pytest

from providers.ldap.directory_provider import DirectoryProvider
from providers.ldap.provider import ldap_provider
from providers.ldap.settings import FreeIpaSettings, OpenLdapSettings
from tests.support.openldap import OpenLdap

MakeProvider = Callable[..., Coroutine[Any, Any, DirectoryProvider]]


@pytest.fixture
async def make_provider(openldap: OpenLdap) -> AsyncIterator[MakeProvider]:
    """Return a factory of started providers, closed after the test. ``changes`` are settings."""
    async with AsyncExitStack() as stack:

        async def make(kind: str = "openldap", **changes: Any) -> DirectoryProvider:
            model = FreeIpaSettings if kind == "freeipa" else OpenLdapSettings
            settings = model.model_validate(openldap.config(**changes))
            provider = ldap_provider("ldap", kind, settings, time.monotonic)
            await provider.start()
            stack.push_async_callback(provider.close)
            return provider

        yield make


@pytest.fixture
async def ldap(make_provider: MakeProvider) -> DirectoryProvider:
    """Return a provider with common settings."""
    return await make_provider()
