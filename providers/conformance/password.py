"""Check of the contract for the whole life of a password provider.

    from providers.conformance.password import check_password_provider

    async def test_provider_meets_the_contract() -> None:
        await check_password_provider(PROVIDER, settings, valid=("zoe", "the password"))

:mod:`providers.conformance.capabilities` has the checks of other capabilities, for a provider that
has started. No test framework is needed: a violation is an AssertionError that names it.
"""

import time
from typing import Any

from pydantic import BaseModel

from providers.base import (
    Account,
    ExternalIdentity,
    LocalAccounts,
    PasswordAttempt,
    PasswordAuthenticator,
    PrincipalSearch,
    ProviderContext,
    ProviderType,
    Refresher,
)
from providers.conformance.capabilities import check_identity, check_refresher, check_search


class NoAccounts:
    """An empty store of local accounts, for providers that do not use it."""

    async def find(self, username: str) -> Account | None:
        """Return None."""

    async def rehash(self, account: Account, password_hash: str) -> None:
        """Do nothing."""


async def check_password_provider(
    kind: ProviderType,
    settings: Any,
    *,
    valid: tuple[str, str],
    accounts: LocalAccounts | None = None,
) -> None:
    """Run every check on a fresh provider; ``valid`` is a name and password that it accepts."""
    _check_type(kind, settings)
    context = ProviderContext(accounts or NoAccounts(), time.monotonic)
    provider = kind.create("under-test", settings, context)
    assert provider.name == "under-test", "a provider must have the configured name"
    assert isinstance(provider, PasswordAuthenticator), "the method authenticate is missing"
    await provider.start()
    try:
        await provider.check()
        await _check_outcomes(provider, kind, settings, *valid)
    finally:
        await provider.close()


def _check_type(kind: ProviderType, settings: Any) -> None:
    assert issubclass(kind.settings_model, BaseModel), "settings_model must be a pydantic model"
    assert kind.settings_model.model_config.get("extra") == "forbid", (
        "settings_model must forbid unknown fields, so that a misspelt setting is an error"
    )
    assert kind.schemes("under-test", settings), "a type must declare the schemes of principals"


async def _check_more(provider: object, schemes: tuple[str, ...], known: ExternalIdentity) -> None:
    """Check the other capabilities that the provider has."""
    if isinstance(provider, Refresher):
        await check_refresher(provider, schemes, known)
    if isinstance(provider, PrincipalSearch):
        await check_search(provider, schemes, known.username[:3])


async def _check_outcomes(
    provider: PasswordAuthenticator,
    kind: ProviderType,
    settings: Any,
    username: str,
    password: str,
) -> None:
    first = await provider.authenticate(PasswordAttempt(username, password, "192.0.2.1"))
    assert isinstance(first, ExternalIdentity), "a valid password must be accepted"
    check_identity(first, kind.schemes("under-test", settings))
    await _check_more(provider, kind.schemes("under-test", settings), first)
    again = await provider.authenticate(PasswordAttempt(username, password, "192.0.2.1"))
    assert isinstance(again, ExternalIdentity), "a valid password must be accepted again"
    assert again.principal_id == first.principal_id, "a principal's id must not change"
    for wrong in (password + "x", "", password[:-1], "\0", "x" * 5000):
        refused = await provider.authenticate(PasswordAttempt(username, wrong, "192.0.2.1"))
        assert not isinstance(refused, ExternalIdentity), "a wrong password must be rejected"
    for unknown in ("", "no-such-user", "*", ")(uid=*", "\0", "x" * 5000, "system:admin"):
        refused = await provider.authenticate(PasswordAttempt(unknown, password, "192.0.2.1"))
        assert not isinstance(refused, ExternalIdentity), f"{unknown[:20]!r} is not a user"
