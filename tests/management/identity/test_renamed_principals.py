"""Every capability of a provider renames principals, and a principal keeps its user."""

import asyncio
import inspect
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import providers.base
from management.identity.identity_refresh import IdentityRefresher
from management.identity.local_passwords import StoredAccounts
from management.identity.principal_ownership import Ownership, OwnPasswords
from management.identity.provider_capabilities import ProviderCapabilities
from management.identity.provider_instance import ProviderInstance, ProviderSpec
from management.identity.provider_registry import ProviderRegistry
from management.identity.sign_in import SignInResult, SignInService
from management.identity.tokens import TokenIssuer
from providers.base import (
    ExternalIdentity,
    FoundPrincipal,
    ProviderContext,
)
from providers.local import PROVIDER as LOCAL
from providers.local import hash_password
from providers.throttle import Limits
from store.database import SqlStore
from store.records import NewPassword
from tests.management.identity.scripted import person
from tests.management.identity.two_directories import ANN, HOURS, TwoDirectories
from tests.store.records import a_user

CAPABILITIES = {
    name: one
    for name, one in vars(providers.base).items()
    if inspect.isclass(one)
    and getattr(one, "_is_protocol", False)
    and getattr(one, "_is_runtime_protocol", False)
}


class Everything:
    """A provider with every capability, which uses its type's declared scheme."""

    name = "lab"

    def __init__(self) -> None:
        self.heard: list[str] = []

    def claims(self, bearer: str) -> bool:
        return True

    async def authenticate(self, attempt: object) -> object:
        return person("ann", "ops")

    async def start_browser(self, redirect_uri: str) -> object:
        return None

    async def finish_browser(self, redirect_uri: str, keep: object, response: object) -> object:
        return person("ann", "ops")

    async def start_device(self) -> object:
        return None

    async def poll_device(self, keep: object) -> object:
        return person("ann", "ops")

    async def verify(self, bearer: str) -> object:
        return providers.base.Verified(person("ann", "ops"), datetime.now(UTC))

    async def logged_out(self, logout_token: str) -> str:
        return "scripted_user://ann"

    async def revoke_grant(self, principal_id: str, secret: str) -> None:
        self.heard.append(principal_id)

    async def search(self, text: str, *, limit: int) -> list[FoundPrincipal]:
        return [FoundPrincipal("scripted_group://ops", "ops", "group")]

    async def refresh(self, principal_id: str, secret: str | None) -> object:
        self.heard.append(principal_id)
        return person("ann", "ops")


async def test_every_capability_of_a_provider_is_renamed_both_ways() -> None:
    """A new capability of the contract needs a wrapper and a case here."""
    ownership = Ownership(
        {"scripted_user": "scripted_lab_user", "scripted_group": "scripted_lab_group"}
    )
    inner: Any = Everything()
    capabilities = ProviderCapabilities.to(inner, ownership, None, None)  # type: ignore[arg-type]
    running: Any = ProviderInstance(None, None, ownership, provider=inner)  # type: ignore[arg-type]
    ways: dict[str, Any] = {
        "PasswordAuthenticator": OwnPasswords(inner, ownership).authenticate(ANN),
        "BrowserAuthenticator": capabilities.browser.finish_browser("", {}, {}),  # type: ignore[union-attr]
        "DeviceAuthenticator": capabilities.device.poll_device({}),  # type: ignore[union-attr]
        "BearerVerifier": capabilities.bearer.verify("x"),  # type: ignore[union-attr]
        "LogoutListener": capabilities.logout.logged_out("x"),  # type: ignore[union-attr]
        "GrantRevoker": capabilities.grants.revoke_grant("scripted_lab_user://ann", "x"),  # type: ignore[union-attr]
        "PrincipalSearch": running.search.search("o", limit=1),
        "Refresher": running.refresher.refresh("scripted_lab_user://ann", None),
    }
    assert set(ways) == set(CAPABILITIES)
    for name, asked in ways.items():
        said = repr(await asked)
        assert "scripted_user" not in said, name
        assert "scripted_group" not in said, name
    assert inner.heard == ["scripted_user://ann", "scripted_user://ann"]


async def test_reassigned_login_does_not_get_the_former_users_principal(
    two: TwoDirectories,
) -> None:
    """In clusters that use usernames, a username means its present holder only."""

    def named(principal: str, login: str) -> ExternalIdentity:
        return replace(person(principal), username=login)

    corp = two.provider("corp")
    corp.people = {"ann": named("1", "ann"), "eve": named("2", "eve")}
    ann, eve = (
        await two.signed_in("corp"),
        await two.signed_in("corp", replace(ANN, username="eve")),
    )
    # ann has given up her login and eve has registered it; ann has not signed in since.
    corp.people = {"ann": named("2", "ann")}
    assert (await two.signed_in("corp")).user.id == eve.user.id
    names = {}
    for one in (ann, eve):
        resolved = await two.authenticator.resolve(one.issued.bearer.encode())
        assert resolved is not None
        names[one.user.id] = resolved.identity.username
    assert names == {ann.user.id: "scripted_user://1", eve.user.id: "ann"}
    # A refresh returns her new login.
    corp.people = {"1": named("1", "ann-of-old")}
    refresh = IdentityRefresher(two.store, two.registry.everything, interval=timedelta(hours=1))
    await refresh.user(ann.user.id)
    again = await two.store.users.get(ann.user.id)
    assert again is not None
    assert [one.name for one in again.principals] == ["ann-of-old"]


async def test_accounts_of_the_store_belong_to_one_provider_of_any_name(
    store: SqlStore,
) -> None:
    await store.users.create(
        a_user("ann"), password=NewPassword("ann", await _hashed("open sesame"))
    )
    registry = ProviderRegistry(
        store,
        [ProviderSpec("staff", "local", LOCAL, LOCAL.settings_model())],
        ProviderContext(StoredAccounts(store), time.monotonic),
        Limits(),
        {},
    )
    await registry.start()
    sign_in = SignInService(store, TokenIssuer(store.tokens, HOURS), registry)
    signed_in = await sign_in.with_password("staff", ANN)
    assert isinstance(signed_in, SignInResult)
    assert signed_in.user.id == "u-ann"
    await registry.close()


async def _hashed(password: str) -> str:
    return await asyncio.to_thread(hash_password, password)
