"""What every provider must do, as checks that anybody can run on theirs.

    from providers.contract import check_password_provider

    async def test_my_provider_keeps_the_contract() -> None:
        await check_password_provider(PROVIDER, settings, valid=("zoe", "her password"))

One check for each capability: a password's does the whole life of a provider; those for browsers,
bearers, refreshing and searching take one that has started (:mod:`providers.contract_ways`).

Needs no test framework: a broken promise is an AssertionError that says which.
"""

import time
from typing import Any

from pydantic import BaseModel

from providers.base import (
    Account,
    Attempt,
    ExternalIdentity,
    LocalAccounts,
    PasswordAuthenticator,
    PrincipalSearch,
    ProviderContext,
    ProviderType,
    Refresher,
)
from providers.contract_ways import check_bearer as check_bearer
from providers.contract_ways import check_browser as check_browser
from providers.contract_ways import check_identity as check_identity
from providers.contract_ways import check_refresher as check_refresher
from providers.contract_ways import check_search as check_search


class NoAccounts:
    """A store of local accounts without any, for providers that keep nobody in it."""

    async def find(self, username: str) -> Account | None:
        """Nobody."""

    async def rehash(self, account: Account, password_hash: str) -> None:
        """Nothing."""


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
    assert provider.name == "under-test", "a provider is called what the operator calls it"
    assert isinstance(provider, PasswordAuthenticator), "it has no method authenticate"
    await provider.start()
    try:
        await provider.check()
        await _check_outcomes(provider, kind, settings, *valid)
    finally:
        await provider.close()


def _check_type(kind: ProviderType, settings: Any) -> None:
    assert issubclass(kind.settings_model, BaseModel), "settings_model must be a pydantic model"
    assert kind.settings_model.model_config.get("extra") == "forbid", (
        "settings_model must forbid what it doesn't know: a misspelt setting is a problem, not a "
        "comment"
    )
    assert kind.schemes("under-test", settings), "a type declares the schemes of its principals"


async def _check_more(provider: object, schemes: tuple[str, ...], known: ExternalIdentity) -> None:
    """What a provider that has other capabilities besides must do with them."""
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
    first = await provider.authenticate(Attempt(username, password, "192.0.2.1"))
    assert isinstance(first, ExternalIdentity), "a valid password must be accepted"
    check_identity(first, kind.schemes("under-test", settings))
    await _check_more(provider, kind.schemes("under-test", settings), first)
    again = await provider.authenticate(Attempt(username, password, "192.0.2.1"))
    assert isinstance(again, ExternalIdentity), "a valid password must be accepted again"
    assert again.principal_id == first.principal_id, "a principal's id must not change"
    for wrong in (password + "x", "", password[:-1], "\0", "x" * 5000):
        refused = await provider.authenticate(Attempt(username, wrong, "192.0.2.1"))
        assert not isinstance(refused, ExternalIdentity), "a wrong password is refused"
    for nobody in ("", "nobody-of-that-name", "*", ")(uid=*", "\0", "x" * 5000, "system:admin"):
        refused = await provider.authenticate(Attempt(nobody, password, "192.0.2.1"))
        assert not isinstance(refused, ExternalIdentity), f"{nobody[:20]!r} must be nobody's name"
