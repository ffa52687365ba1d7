"""The identity a caller acts under: one user, as one principal, in some groups."""

from collections.abc import Mapping
from dataclasses import dataclass, field

AUTHENTICATED_GROUPS = ("system:authenticated", "sekisho:authenticated")
"""Groups that everybody who passed the gate is in; stamped on every request."""

ADMINISTRATORS_GROUP = "sekisho:administrators"
"""The one group through which Sekisho's administrators are bound in every downstream cluster."""


@dataclass(frozen=True, slots=True)
class Group:
    """A group principal: ``id`` such as ``github_team://42`` is the key, ``name`` is for people."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a request acts as.

    ``user_id`` (``u-…``) is stable and never reused; ``username`` is what people call the user at
    ``provider``; ``principal_id`` is the principal that signed in. ``groups`` are group principals;
    the groups that everybody is in are added when the identity is stamped.
    """

    user_id: str
    username: str
    provider: str
    principal_id: str
    groups: tuple[Group, ...] = ()
    administrator: bool = False


@dataclass(frozen=True, slots=True)
class Subject:
    """What Kubernetes is told: the values of the ``Impersonate-*`` headers, nothing else.

    See "User impersonation" in the Kubernetes authentication reference. ``extra`` maps lower-case
    keys to one or more values each.
    """

    user: str
    uid: str | None = None
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
