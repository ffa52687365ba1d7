"""Providers in front of the session's OpenLDAP."""

import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import pytest

from providers.ldap import LdapProvider
from providers.ldap_profile import FreeIpaSettings, OpenLdapSettings
from tests.parts.openldap import OpenLdap

Providing = Callable[..., Coroutine[Any, Any, LdapProvider]]


@pytest.fixture
async def providing(openldap: OpenLdap) -> AsyncIterator[Providing]:
    """Makes started providers; keyword arguments are settings. They end with the test."""
    async with AsyncExitStack() as stack:

        async def make(kind: str = "openldap", **changes: Any) -> LdapProvider:
            model = FreeIpaSettings if kind == "freeipa" else OpenLdapSettings
            settings = model.model_validate(openldap.config(**changes))
            made = LdapProvider("ldap", kind, settings, time.monotonic)
            await made.start()
            stack.push_async_callback(made.close)
            return made

        yield make


@pytest.fixture
async def ldap(providing: Providing) -> LdapProvider:
    """The provider as most operators have it."""
    return await providing()
