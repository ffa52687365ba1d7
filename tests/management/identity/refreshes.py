"""A world of identities at scripted providers, with a real store."""

from dataclasses import dataclass
from datetime import timedelta

from management.identity.identity_refresh import IdentityRefresher
from management.identity.refresh_results import Result, WhenGrantEnds
from management.identity.sign_in_policy import AccessRule, SignInPolicy
from store.database import SqlStore
from store.records import Membership, Principal
from tests.management.identity.scripted import Scripted, person
from tests.store.records import NOW, a_token, a_user

ANN = "scripted_user://ann"
HOUR = timedelta(hours=1)


@dataclass
class Running:
    """A provider with the interface of the refresh."""

    refresher: Scripted
    policy: SignInPolicy
    schemes: tuple[str, ...] = ("scripted_user", "scripted_group")

    @property
    def name(self) -> str:
        return self.refresher.name

    async def check(self) -> None:
        await self.refresher.check()


class World:
    """Ann, who signed in at ``corp`` an hour ago, with a group and a token."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.now = NOW
        self.counted: list[tuple[str, Result]] = []
        self.failing: dict[str, int] = {}
        self.corp = Scripted("corp", {"ann": person("ann", "ops")})
        self.running = [Running(self.corp, SignInPolicy(store, "corp", AccessRule()))]

    def refresh(self, when_grant_ends: WhenGrantEnds = "keep_tokens") -> IdentityRefresher:
        return IdentityRefresher(
            self.store,
            lambda: self.running,
            interval=HOUR,
            when_grant_ends=when_grant_ends,
            show_failing=self.failing.__setitem__,
            now=lambda: self.now,
            chance=lambda: 0.0,
            count=lambda provider, result: self.counted.append((provider, result)),
        )

    async def add(self, name: str, provider: str = "corp") -> None:
        principal = Principal(f"scripted_user://{name}", provider, name)
        await self.store.users.create(a_user(name, principals=(principal,)))
        await self.store.tokens.create(
            a_token(f"token-{name}", f"u-{name}", principal_id=principal.id)
        )
        ops = [Membership("scripted_group://ops", provider, "ops")]
        await self.store.users.set_memberships(f"u-{name}", provider, ops)
        await self.store.identities.seen(principal.id, NOW - 2 * HOUR, "secret")

    async def groups(self) -> list[str]:
        return [one.name for one in await self.store.users.memberships("u-ann")]

    async def has_token(self, name: str = "ann") -> bool:
        return await self.store.tokens.get(f"token-{name}") is not None
