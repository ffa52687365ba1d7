"""The last word on who a provider vouches for: its access mode; and remembering that it did."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from management.access_modes import AccessRule
from providers.base import (
    Attempt,
    ExternalIdentity,
    Outcome,
    PasswordAuthenticator,
    ProviderUnavailable,
    Refused,
)
from store.interfaces import Store, StoreUnavailable


class Admission:
    """Decides for one provider."""

    def __init__(
        self,
        store: Store,
        provider: str,
        rule: AccessRule,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._provider = provider
        self._rule = rule
        self._now = now

    async def signed_in(self, outcome: Outcome) -> Outcome:
        """``outcome``, or a refusal where the access mode says so.

        Somebody who is known already is remembered as seen now, with the provider's new secret.
        Raises StoreUnavailable.
        """
        if not isinstance(outcome, ExternalIdentity):
            return outcome
        refusal = await self.refusal(
            outcome.principal_id, (group.principal_id for group in outcome.groups)
        )
        if refusal is not None:
            return refusal
        known = await self._store.identities.get(outcome.principal_id)
        if known is not None and known.provider == self._provider:
            await self._store.identities.seen(known.id, self._now(), outcome.secret)
        return outcome

    async def refusal(self, principal_id: str, groups: Iterable[str]) -> Refused | None:
        """Why somebody with these principals may not come in, or None."""
        if self._rule.mode == "unrestricted":
            return None
        has_role = False
        if self._rule.mode == "restricted":
            user = await self._store.users.by_principal(principal_id)
            has_role = user is not None and bool(await self._store.clusters.grants_of_user(user.id))
        return self._rule.refusal([principal_id, *groups], has_role=has_role)

    async def enforce(self) -> int:
        """Cut off whoever is known and may not come in any more; how many."""
        if self._rule.mode == "unrestricted":
            return 0
        out = 0
        for known in await self._store.identities.of_provider(self._provider):
            groups = await self._store.users.memberships(known.user_id)
            theirs = [one.id for one in groups if one.provider == self._provider]
            refusal = await self.refusal(known.id, theirs)
            if refusal is not None:
                await self._store.identities.refuse(known.id, refusal.reason)
                out += 1
        return out


class AdmittingAuthenticator:
    """A provider's door with its access mode. A :class:`providers.base.PasswordAuthenticator`."""

    def __init__(self, inner: PasswordAuthenticator, admission: Admission) -> None:
        self._inner = inner
        self._admission = admission

    @property
    def name(self) -> str:
        """The provider's name."""
        return self._inner.name

    async def authenticate(self, attempt: Attempt) -> Outcome:
        """Who it is, if they may come in."""
        outcome = await self._inner.authenticate(attempt)
        try:
            return await self._admission.signed_in(outcome)
        except StoreUnavailable as exc:
            raise ProviderUnavailable("the store is unavailable") from exc
