"""The last word on who a provider vouches for: its access mode, and cutting off the others."""

from collections.abc import Iterable

from management.access_modes import AccessRule
from providers.base import ExternalIdentity, Refused
from store.interfaces import Store


class Admission:
    """Decides for one provider."""

    def __init__(self, store: Store, provider: str, rule: AccessRule) -> None:
        self._store = store
        self._provider = provider
        self._rule = rule

    async def refusal_of(self, identity: ExternalIdentity) -> Refused | None:
        """Why somebody may not come in, or None."""
        groups = (group.principal_id for group in identity.groups)
        return await self.refusal(identity.principal_id, groups)

    async def refusal(self, principal_id: str, groups: Iterable[str]) -> Refused | None:
        """Why somebody with these principals may not come in, or None."""
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
