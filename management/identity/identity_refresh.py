"""Asking providers again about people who have signed in: are they there, and in which groups?

Three outcomes, as at sign-in. Who is refused is cut off at once: tokens revoked, groups removed,
and the change feed ends what runs. Who can't be asked about keeps what they have: a provider that
is down must not lock anybody out (rancher#30230). One replica at a time asks about one principal:
it claims it by moving ``refreshed_at``, and gives the claim back where the provider couldn't say.

Providers are asked side by side, each with a few questions at a time, so one that is down or slow
holds up nobody else's people.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol

import structlog

from management.admission import Admission
from management.vouched import check_vouched, memberships_said
from providers.base import (
    CannotRefresh,
    ExternalIdentity,
    Outcome,
    ProviderUnavailable,
    Refresher,
    Refused,
)
from store.interfaces import KnownPrincipal, Store, StoreError

AT_ONCE = 4
"""Questions to one provider at a time."""

BATCH = 200
"""Principals of one provider looked at in one go."""

ANSWER_SECONDS = 20.0
"""How long a provider may think about one of them; longer is as good as down."""

SPREAD = 0.1
"""The part of the interval by which refreshes are drawn apart."""

LOOK_SECONDS = 30.0
"""How often the store is asked who is due."""

FIRST_PAUSE, LAST_PAUSE = timedelta(seconds=30), timedelta(minutes=15)
"""How long a provider that is down is left alone: each pause twice the one before."""

_LOG = structlog.get_logger("sekisho.refresh")

Result = Literal["refreshed", "refused", "unavailable", "busy", "unsupported"]
"""``busy``: somebody else has just asked. ``unsupported``: the provider can't be asked later."""


class Refreshable(Protocol):
    """A provider as it runs now."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def refresher(self) -> Refresher | None:
        """Whom to ask; None where it can't be, or is disabled."""

    @property
    def schemes(self) -> Sequence[str]:
        """The schemes it may speak of."""

    @property
    def admission(self) -> Admission:
        """Its access mode."""


@dataclass(slots=True)
class _Pace:
    """How a provider is asked."""

    gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    pause: timedelta = timedelta(0)
    until: datetime | None = None


class IdentityRefresh:
    """Refreshes people. Time and chance come in from outside."""

    def __init__(
        self,
        store: Store,
        providers: Callable[[], Sequence[Refreshable]],
        *,
        interval: timedelta,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        chance: Callable[[], float] = random.random,
        count: Callable[[str, Result], None] = lambda provider, result: None,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._store = store
        self._providers = providers
        self._interval = interval
        self._now = now
        self._chance = chance
        self._count = count
        self._answer_seconds = answer_seconds
        self._paces: dict[str, _Pace] = {}

    async def due(self) -> list[tuple[str, Result]]:
        """Refresh everybody who is due; principals and what came of each.

        Raises StoreError where the store can't say.
        """
        asked = await asyncio.gather(*(self._due_of(one) for one in self._providers()))
        return [result for results in asked for result in results]

    async def user(self, user_id: str) -> list[tuple[str, Result]]:
        """Refresh one user's principals now. Raises StoreError."""
        providers = {one.name: one for one in self._providers()}
        results: list[tuple[str, Result]] = []
        for known in await self._store.identities.of_user(user_id):
            provider = providers.get(known.provider)
            if provider is None or provider.refresher is None or known.disabled_reason:
                results.append((known.id, "unsupported"))
                continue
            results.append((known.id, await self._one(provider, provider.refresher, known)))
        return results

    async def _due_of(self, provider: Refreshable) -> list[tuple[str, Result]]:
        refresher, pace = provider.refresher, self._pace(provider.name)
        if refresher is None or (pace.until is not None and self._now() < pace.until):
            return []
        before = self._now() - self._interval
        due = await self._store.identities.due(provider.name, before, limit=BATCH)
        asked: list[tuple[str, Result]] = []

        async def ask(known: KnownPrincipal) -> None:
            async with pace.gate:
                # It went down while others were asked about: don't try it on everybody.
                if pace.until is not None and self._now() < pace.until:
                    return
                asked.append((known.id, await self._one(provider, refresher, known)))

        await asyncio.gather(*(ask(known) for known in due))
        return asked

    async def _one(
        self, provider: Refreshable, refresher: Refresher, known: KnownPrincipal
    ) -> Result:
        # Put back by chance, so that those who were due together aren't for ever.
        at = self._now() - self._interval * SPREAD * self._chance()
        if not await self._store.identities.claim(known, at):
            return "busy"
        try:
            outcome = await self._asked(provider, refresher, known)
        except CannotRefresh:
            self._count(provider.name, "unsupported")
            return "unsupported"
        except ProviderUnavailable as exc:
            if exc.secret is not None:
                await self._store.identities.renew(known.id, exc.secret)
            await self._store.identities.release(known.id, at, known.refreshed_at)
            self._failed(provider.name, exc)
            self._count(provider.name, "unavailable")
            return "unavailable"
        except BaseException:
            await self._store.identities.release(known.id, at, known.refreshed_at)
            raise
        self._well(provider.name)
        result = await self._apply(provider, known, outcome)
        self._count(provider.name, result)
        return result

    async def _asked(
        self, provider: Refreshable, refresher: Refresher, known: KnownPrincipal
    ) -> ExternalIdentity | Refused:
        """What the provider says, as far as it may say it. Raises ProviderUnavailable."""
        try:
            async with asyncio.timeout(self._answer_seconds):
                outcome: Outcome = await refresher.refresh(known.id, known.secret)
        except TimeoutError as exc:
            raise ProviderUnavailable("no answer in time") from exc
        if not isinstance(outcome, ExternalIdentity):
            return outcome or Refused("gone")
        check_vouched(provider.name, provider.schemes, outcome)
        if outcome.principal_id != known.id:
            raise ProviderUnavailable("the provider answered about somebody else")
        groups = (group.principal_id for group in outcome.groups)
        return await provider.admission.refusal(known.id, groups) or outcome

    async def _apply(
        self, provider: Refreshable, known: KnownPrincipal, outcome: ExternalIdentity | Refused
    ) -> Result:
        if isinstance(outcome, Refused):
            revoked = await self._store.identities.refuse(known.id, outcome.reason)
            _LOG.warning(
                "identity cut off",
                provider=provider.name,
                user=known.user_id,
                principal=known.id,
                reason=outcome.reason,
                detail=outcome.detail or None,
                tokens=revoked,
            )
            return "refused"
        groups = memberships_said(provider.name, outcome)
        had = await self._store.users.memberships(known.user_id)
        if [one for one in had if one.provider == provider.name] != groups:
            await self._store.users.set_memberships(known.user_id, provider.name, groups)
            _LOG.info("groups refreshed", provider=provider.name, user=known.user_id)
        if outcome.secret is not None and outcome.secret != known.secret:
            await self._store.identities.renew(known.id, outcome.secret)
        return "refreshed"

    def _pace(self, name: str) -> _Pace:
        return self._paces.setdefault(name, _Pace())

    def _well(self, name: str) -> None:
        pace = self._pace(name)
        pace.pause, pace.until = timedelta(0), None

    def _failed(self, name: str, exc: ProviderUnavailable) -> None:
        pace = self._pace(name)
        if pace.until is not None and self._now() < pace.until:
            return  # others that were asked at the same time have said so already
        pace.pause = min(pace.pause * 2, LAST_PAUSE) if pace.pause else FIRST_PAUSE
        pace.until = self._now() + pace.pause * (1 + self._chance()) / 2
        _LOG.warning("identities not refreshed", provider=name, error=str(exc))


async def refresh_forever(
    refresh: IdentityRefresh, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> None:
    """Refresh whoever is due, until cancelled."""
    while True:
        await sleep(LOOK_SECONDS * (0.5 + random.random()))  # noqa: S311 - not for secrecy
        try:
            await refresh.due()
        except StoreError as exc:
            _LOG.warning("identities not looked at", error=str(exc))
