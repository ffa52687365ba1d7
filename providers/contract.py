"""What every password provider must do, as checks that anybody can run on theirs.

    from providers.contract import check_password_provider

    async def test_my_provider_keeps_the_contract() -> None:
        await check_password_provider(PROVIDER, settings, valid=("zoe", "her password"))

Needs no test framework: a broken promise is an AssertionError that says which.
"""

import time
from typing import Any

from pydantic import BaseModel

from impersonation.policy import refuse_reserved
from providers.base import (
    Account,
    Attempt,
    ExternalIdentity,
    LocalAccounts,
    PasswordAuthenticator,
    ProviderContext,
    ProviderType,
)


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


async def _check_outcomes(
    provider: PasswordAuthenticator,
    kind: ProviderType,
    settings: Any,
    username: str,
    password: str,
) -> None:
    first = await provider.authenticate(Attempt(username, password, "192.0.2.1"))
    assert isinstance(first, ExternalIdentity), "a valid password must be accepted"
    _check_identity(first, kind, settings)
    again = await provider.authenticate(Attempt(username, password, "192.0.2.1"))
    assert isinstance(again, ExternalIdentity), "a valid password must be accepted again"
    assert again.principal_id == first.principal_id, "a principal's id must not change"
    for wrong in (password + "x", "", password[:-1], "\0", "x" * 5000):
        refused = await provider.authenticate(Attempt(username, wrong, "192.0.2.1"))
        assert not isinstance(refused, ExternalIdentity), "a wrong password is refused"
    for nobody in ("", "nobody-of-that-name", "*", ")(uid=*", "\0", "x" * 5000, "system:admin"):
        refused = await provider.authenticate(Attempt(nobody, password, "192.0.2.1"))
        assert not isinstance(refused, ExternalIdentity), f"{nobody[:20]!r} must be nobody's name"


def _check_identity(identity: ExternalIdentity, kind: ProviderType, settings: Any) -> None:
    principals = [identity.principal_id, *(group.principal_id for group in identity.groups)]
    for principal in principals:
        scheme, separator, key = principal.partition("://")
        assert separator, f"{principal!r} is not a principal: <scheme>://<key>"
        assert key, f"{principal!r} is not a principal: <scheme>://<key>"
        declared = kind.schemes("under-test", settings)
        assert scheme in declared, f"{principal!r} is not of a scheme that the type declares"
    assert identity.username, "an identity has a username"
    refuse_reserved([*principals, identity.username, *(g.name for g in identity.groups)])
