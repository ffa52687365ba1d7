"""Who of those that a provider vouches for may come in. Pure; asked at sign-in and at refresh.

* ``unrestricted``: everybody;
* ``restricted``: the allowed principals (people or groups), and who has a role in some cluster;
* ``required``: the allowed principals only.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from providers.base import Refused
from store.interfaces import AccessMode

NOT_ALLOWED = "not_allowed"
"""The reason of every refusal here."""


@dataclass(frozen=True, slots=True)
class AccessRule:
    """A provider's mode, and the ids of the principals on its list."""

    mode: AccessMode = "unrestricted"
    allowed: frozenset[str] = frozenset()

    def refusal(self, principals: Iterable[str], *, has_role: bool) -> Refused | None:
        """Why somebody may not come in, or None.

        ``principals`` are theirs at this provider, groups included.
        """
        if self.mode == "unrestricted" or not self.allowed.isdisjoint(principals):
            return None
        if self.mode == "restricted" and has_role:
            return None
        return Refused(NOT_ALLOWED, f"the provider's access mode is {self.mode}")


EVERYBODY = AccessRule()
"""What holds where nothing is said."""
