"""Decide which of a provider's users may sign in, by the provider's access mode.

* ``unrestricted``: all of them.
* ``restricted``: the allowed principals (users or groups), and users with a role in some cluster.
* ``required``: the allowed principals only.

The policy applies at sign-in and at refresh. :class:`AccessRule` is pure; :class:`SignInPolicy`
reads the store and cuts off users who may no longer sign in.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from providers.base import ExternalIdentity, Rejected
from store.errors import RecordNotFound
from store.interfaces import Store
from store.records import AccessMode

NOT_ALLOWED = "not_allowed"
"""The reason of every rejection by this module."""


@dataclass(frozen=True, slots=True)
class AccessRule:
    """A provider's access mode, and the ids of its allowed principals."""

    mode: AccessMode = "unrestricted"
    allowed: frozenset[str] = frozenset()

    def refusal(self, principals: Iterable[str], *, has_role: bool) -> Rejected | None:
        """Return why a user may not sign in, or None.

        ``principals`` are the user's at this provider, groups included.
        """
        if self.mode == "unrestricted" or not self.allowed.isdisjoint(principals):
            return None
        if self.mode == "restricted" and has_role:
            return None
        return Rejected(NOT_ALLOWED, f"the provider's access mode is {self.mode}")


UNRESTRICTED = AccessRule()
"""The default rule."""


class SignInPolicy:
    """Apply the access rule of one provider."""

    def __init__(self, store: Store, provider: str, rule: AccessRule) -> None:
        self._store = store
        self._provider = provider
        self._rule = rule

    async def refusal_of(self, identity: ExternalIdentity) -> Rejected | None:
        """Return why an identity may not sign in, or None."""
        groups = (group.principal_id for group in identity.groups)
        return await self.refusal(identity.principal_id, groups)

    async def refusal(self, principal_id: str, groups: Iterable[str]) -> Rejected | None:
        """Return why a user with these principals may not sign in, or None."""
        if self._rule.mode == "unrestricted":
            return None
        has_role = False
        if self._rule.mode == "restricted":
            user = await self._store.users.by_principal(principal_id)
            groups = list(groups)
            user_id = user.id if user is not None else ""
            has_role = bool(await self._store.bindings.of_subjects(user_id, groups))
        return self._rule.refusal([principal_id, *groups], has_role=has_role)

    async def enforce(self) -> int:
        """Disable the principals that may no longer sign in; return their number."""
        if self._rule.mode == "unrestricted":
            return 0
        disabled = 0
        for known in await self._store.identities.of_provider(self._provider):
            groups = await self._store.users.memberships(known.user_id)
            theirs = [one.id for one in groups if one.provider == self._provider]
            refusal = await self.refusal(known.id, theirs)
            if refusal is None:
                continue
            try:
                await self._store.identities.refuse(known.id, refusal.reason)
            except RecordNotFound:
                continue  # deleted in the meantime
            disabled += 1
        return disabled
