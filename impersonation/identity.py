"""The identity of a caller: one user, signed in as one principal, in some groups."""

from collections.abc import Mapping
from dataclasses import dataclass, field

AUTHENTICATED_GROUPS = ("system:authenticated", "sekisho:authenticated")
"""Groups of every authenticated caller; added to every request."""

ADMINISTRATORS_GROUP = "sekisho:administrators"
"""The group to which every cluster binds the permissions of Sekisho's administrators."""


@dataclass(frozen=True, slots=True)
class Group:
    """A group principal. ``id`` (``github_team://42``) is the key, ``name`` is shown to users."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller of a request, as Sekisho knows it.

    ``user_id`` (``u-…``) is stable and never reused. ``username`` is the user's name at
    ``provider``. ``principal_id`` is the principal that signed in. ``groups`` are group principals,
    without the groups of every authenticated caller.
    """

    user_id: str
    username: str
    provider: str
    principal_id: str
    groups: tuple[Group, ...] = ()
    administrator: bool = False


@dataclass(frozen=True, slots=True)
class Subject:
    """The values of the ``Impersonate-*`` headers, as a cluster receives them.

    See "User impersonation" in the Kubernetes authentication reference. ``extra`` maps lower-case
    keys to one or more values each.
    """

    user: str
    uid: str | None = None
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
