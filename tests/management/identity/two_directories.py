"""Two directories with equal keys, as providers of one Sekisho."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from management.authentication.token_authenticator import TokenAuthenticator
from management.identity.local_passwords import StoredAccounts
from management.identity.provider_registry import ProviderRegistry
from management.identity.sign_in import SignInResult, SignInService
from management.identity.tokens import TokenIssuer, TokenLifetimes
from management.identity.users import random_id
from providers.base import (
    PasswordAttempt,
    ProviderContext,
)
from providers.throttle import Limits
from store.access_records import Binding
from store.database import SqlStore
from store.records import StoredProvider
from tests.management.identity.scripted import Scripted, ScriptedType
from tests.store.records import NOW

ANN = PasswordAttempt("ann", "open sesame")


HOURS = TokenLifetimes(*[timedelta(hours=8)] * 4)


class TwoDirectories:
    """A registry with ``corp`` (the first) and ``lab``, both in the store."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.type = ScriptedType()
        self.registry = ProviderRegistry(
            store,
            [],
            ProviderContext(StoredAccounts(store), time.monotonic),
            Limits(),
            {"scripted": self.type},
        )
        self.sign_in = SignInService(store, TokenIssuer(store.tokens, HOURS), self.registry)
        self.authenticator = TokenAuthenticator(store)

    async def add(self, name: str, **values: Any) -> None:
        record = StoredProvider(
            name, "scripted", True, {"server": name}, "unrestricted", (), datetime.now(UTC)
        )
        await self.store.providers.create(replace(record, **values))
        await self.registry.sync()

    async def bring(self, name: str, state: str) -> None:
        """Make a provider run, be disabled, fail at its start, or be deleted."""
        if state == "deleted":
            await self.store.providers.delete(name)
        elif state != "runs":
            known = await self.store.providers.get(name)
            assert known is not None
            failed = {"server": name, "timeout": "x"}
            changed: dict[str, Any] = (
                {"settings": failed} if state == "failed" else {"enabled": False}
            )
            await self.store.providers.replace(replace(known, **changed))
        await self.registry.sync()

    def provider(self, name: str) -> Scripted:
        return self.type.made[name]

    async def signed_in(self, provider: str, attempt: PasswordAttempt = ANN) -> SignInResult:
        outcome = await self.sign_in.with_password(provider, attempt)
        assert isinstance(outcome, SignInResult), outcome
        return outcome

    async def bind(self, group: str, role: str = "administrator", **place: Any) -> None:
        await self.store.bindings.create(
            Binding(random_id("b"), role, None, group, "ops", NOW, **place)
        )

    async def groups_of(self, provider: str) -> list[str]:
        user = (await self.signed_in(provider)).user
        return [one.id for one in await self.store.users.memberships(user.id)]


@pytest.fixture
async def two(store: SqlStore) -> AsyncIterator[TwoDirectories]:
    made = TwoDirectories(store)
    try:
        await made.registry.start()
        await made.add("corp")
        await made.add("lab")
        yield made
    finally:
        await made.registry.close()
