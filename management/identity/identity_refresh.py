"""Refresh identities: check at the providers whether users still exist, and in which groups.

The outcomes are those of a sign-in. A rejected principal is disabled immediately: its tokens are
revoked, its groups removed, and the change feed ends its running requests. A principal that cannot
be refreshed keeps what it has: a provider that is down must lock no user out (rancher#30230). One
replica at a time refreshes one principal: it claims the principal by moving ``refreshed_at``, and
gives the claim back if the provider returned no usable response.

A response that is missing, late or wrong concerns one principal, not the provider. That principal
is retried at growing intervals while all others are refreshed. The provider pauses only if its own
check fails (:mod:`management.identity.refresh_backoff`).

A grant that has ended (a refresh token of a session that is over) proves nothing about the account:
API tokens stay, and the next refresh needs a new sign-in (docs/decisions/0011).
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from config.loggers import get_logger
from management.identity.identity_validation import (
    memberships_from,
    usable_username,
    validate_identity,
)
from management.identity.refresh_backoff import RefreshBackoff, retry_pause
from management.identity.refresh_results import Refreshable, Result, WhenGrantEnds
from providers.base import (
    CannotRefresh,
    ExternalIdentity,
    GrantEnded,
    Outcome,
    ProviderUnavailable,
    Refresher,
    Rejected,
)
from store.errors import StoreError, StoreUnavailable
from store.interfaces import Store
from store.records import PrincipalRecord

BATCH = 200
"""Principals of one provider refreshed in one round."""

RESPONSE_SECONDS = 20.0
"""Timeout of one refresh."""

SPREAD = 0.1
"""The part of the interval that is random, so that refreshes spread out."""

SHOWN_FAILURES = 3
"""Failures in a row from which a principal counts in the metric of failing refreshes."""

_LOG = get_logger(__name__)

Round = Callable[[], Awaitable[list[tuple[str, Result]]]]


class IdentityRefresher:
    """Refresh the principals of all providers. Time and chance are arguments."""

    def __init__(
        self,
        store: Store,
        providers: Callable[[], Sequence[Refreshable]],
        *,
        interval: timedelta,
        when_grant_ends: WhenGrantEnds = "keep_tokens",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        chance: Callable[[], float] = random.random,
        count: Callable[[str, Result], None] = lambda provider, result: None,
        show_failing: Callable[[str, int], None] = lambda provider, people: None,
        response_seconds: float = RESPONSE_SECONDS,
    ) -> None:
        self._store = store
        self._providers = providers
        self._interval = interval
        self._when_grant_ends = when_grant_ends
        self._now = now
        self._chance = chance
        self._count = count
        self._show_failing = show_failing
        self._response_seconds = response_seconds
        self._backoffs: dict[str, RefreshBackoff] = {}

    def rounds(self) -> dict[tuple[str, bool], Round]:
        """Return the rounds to run concurrently, by provider and whether its principals failed
        last.

        No round waits for another: a slow provider delays no other provider, and failing principals
        delay no others of the same provider.
        """
        return {
            (one.name, failing): partial(self._due_of, one, failing)
            for one in self._providers()
            if one.refresher is not None
            for failing in (False, True)
        }

    async def due(self) -> list[tuple[str, Result]]:
        """Refresh all principals that are due; return each with its result.

        Raises:
            StoreError: the store cannot be read.
        """
        finished = await asyncio.gather(
            *(round_() for round_ in self.rounds().values()), return_exceptions=True
        )
        for one in finished:
            if isinstance(one, BaseException):
                raise one
        return [result for results in finished if isinstance(results, list) for result in results]

    async def user(self, user_id: str) -> list[tuple[str, Result]]:
        """Refresh one user's principals now.

        Raises:
            StoreError: the store cannot be read.
        """
        providers = {one.name: one for one in self._providers()}
        results: list[tuple[str, Result]] = []
        for known in await self._store.identities.of_user(user_id):
            provider = providers.get(known.provider)
            if provider is None or provider.refresher is None or known.disabled_reason:
                results.append((known.id, "unsupported"))
            elif known.grant_ended_at is not None:
                results.append((known.id, "sign_in_needed"))
            else:
                results.append((known.id, await self._one(provider, provider.refresher, known)))
        return results

    async def _due_of(self, provider: Refreshable, failing: bool) -> list[tuple[str, Result]]:
        refresher, backoff = provider.refresher, self._backoff(provider.name)
        if refresher is None or backoff.pauses(self._now()):
            return []
        now = self._now()
        due = await self._store.identities.due(
            provider.name, now - self._interval, now, failing=failing, limit=BATCH
        )
        results: list[tuple[str, Result]] = []
        broken: list[StoreError] = []

        async def refresh_one(known: PrincipalRecord) -> None:
            async with backoff.failing if failing else backoff.healthy:
                # The provider or the store failed in the meantime: do not try every principal.
                if broken or backoff.pauses(self._now()):
                    return
                try:
                    results.append((known.id, await self._one(provider, refresher, known)))
                except StoreUnavailable as exc:
                    broken.append(exc)
                except StoreError as exc:  # for example deleted in the meantime: the others go on
                    _LOG.info("identity not refreshed", principal=known.id, error=str(exc))

        await asyncio.gather(*(refresh_one(known) for known in due))
        if broken:
            raise broken[0]
        if failing:
            count = await self._store.identities.failing(provider.name, SHOWN_FAILURES)
            self._show_failing(provider.name, count)
        return results

    async def _one(
        self, provider: Refreshable, refresher: Refresher, known: PrincipalRecord
    ) -> Result:
        # Random, so that principals that were due together spread out.
        at = self._now() - self._interval * SPREAD * self._chance()
        if not await self._store.identities.claim(known, at):
            return "busy"
        result: Result | None = None
        try:
            result = await self._outcome(provider, refresher, known)
        finally:
            if result in {None, "failed", "unavailable"}:
                await self._store.identities.release(known.id, at, known.refreshed_at)
        self._count(provider.name, result)
        return result

    async def _outcome(
        self, provider: Refreshable, refresher: Refresher, known: PrincipalRecord
    ) -> Result:
        try:
            outcome = await self._ask_provider(provider, refresher, known)
        except GrantEnded as exc:
            return await self._grant_ended(provider, known, exc)
        except CannotRefresh:
            return "unsupported"
        except StoreError:
            raise
        except Exception as exc:  # any error of a provider concerns this principal only
            return await self._without_response(provider, known, exc)
        self._backoff(provider.name).succeeded()
        result = await self._apply(provider, known, outcome)
        if known.refresh_failures:
            await self._store.identities.refresh_worked(known.id)
        return result

    async def _ask_provider(
        self, provider: Refreshable, refresher: Refresher, known: PrincipalRecord
    ) -> ExternalIdentity | Rejected:
        """Return the provider's outcome, validated and checked against the sign-in policy.

        Raises:
            ProviderUnavailable: there was no response, or an invalid one.
        """
        try:
            async with asyncio.timeout(self._response_seconds):
                outcome: Outcome = await refresher.refresh(known.id, known.secret)
        except TimeoutError as exc:
            raise ProviderUnavailable("no response in time") from exc
        if not isinstance(outcome, ExternalIdentity):
            return outcome or Rejected("gone")
        validate_identity(provider.name, provider.schemes, outcome)
        if outcome.principal_id != known.id:
            raise ProviderUnavailable("the provider responded about another principal")
        groups = (group.principal_id for group in outcome.groups)
        return await provider.policy.refusal(known.id, groups) or outcome

    async def _without_response(
        self, provider: Refreshable, known: PrincipalRecord, exc: Exception
    ) -> Result:
        """Record a failure of the provider, or else of the principal, and back off."""
        retry_after = None
        if isinstance(exc, ProviderUnavailable):
            retry_after = exc.retry_after
            if exc.secret is not None:
                await self._store.identities.renew(known.id, exc.secret)
        backoff = self._backoff(provider.name)
        why = await backoff.why_unreachable(provider.check, self._now)
        if why is not None:
            if backoff.failed(self._now(), self._chance()):
                _LOG.warning("identities not refreshed", provider=provider.name, error=why)
            return "unavailable"
        failures = known.refresh_failures + 1
        pause = retry_pause(failures, retry_after, self._chance())
        await self._store.identities.refresh_failed(known.id, self._now() + pause)
        expected = isinstance(exc, ProviderUnavailable)
        _LOG.warning(
            "identity not refreshed",
            provider=provider.name,
            user=known.user_id,
            principal=known.id,
            error=str(exc) if expected else type(exc).__name__,
            failures=failures,
            retry_in=round(pause.total_seconds()),
            exc_info=None if expected else exc,
        )
        return "failed"

    async def _grant_ended(
        self, provider: Refreshable, known: PrincipalRecord, exc: GrantEnded
    ) -> Result:
        self._backoff(provider.name).succeeded()
        if self._when_grant_ends == "cut_off":
            return await self._apply(provider, known, Rejected("grant_ended", str(exc)))
        await self._store.identities.grant_ended(known.id, self._now())
        _LOG.warning(
            "identity cannot be refreshed until its next sign-in",
            provider=provider.name,
            user=known.user_id,
            principal=known.id,
            detail=str(exc) or None,
        )
        return "sign_in_needed"

    async def _apply(
        self, provider: Refreshable, known: PrincipalRecord, outcome: ExternalIdentity | Rejected
    ) -> Result:
        if isinstance(outcome, Rejected):
            revoked = await self._store.identities.refuse(known.id, outcome.reason)
            _LOG.warning(
                "identity disabled",
                provider=provider.name,
                user=known.user_id,
                principal=known.id,
                reason=outcome.reason,
                detail=outcome.detail or None,
                tokens=revoked,
            )
            return "refused"
        # Stored first: the previous refresh token is used up, whatever happens below.
        if outcome.secret is not None and outcome.secret != known.secret:
            await self._store.identities.renew(known.id, outcome.secret)
        groups = memberships_from(provider.name, outcome)
        had = await self._store.users.memberships(known.user_id)
        if [one for one in had if one.provider == provider.name] != groups:
            await self._store.users.set_memberships(known.user_id, provider.name, groups)
            _LOG.info("groups refreshed", provider=provider.name, user=known.user_id)
        await self._store.identities.take_name(known.id, usable_username(outcome))
        return "refreshed"

    def _backoff(self, name: str) -> RefreshBackoff:
        return self._backoffs.setdefault(name, RefreshBackoff())
