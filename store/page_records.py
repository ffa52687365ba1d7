"""Values for pages of long lists."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class UserFilter:
    """Conditions that users must all satisfy; None or empty: no condition.

    ``principal`` is the id of one of the user's principals. ``search`` is found in the username,
    the display name, or the id; it is ASCII.
    """

    username: str | None = None
    principal: str | None = None
    enabled: bool | None = None
    administrator: bool | None = None
    search: str = ""


@dataclass(frozen=True, slots=True)
class UserOrder:
    """An order of users; equal values are ordered by id."""

    field: Literal["username", "display_name", "created_at", "id"] = "username"
    descending: bool = False


@dataclass(frozen=True, slots=True)
class UserCounts:
    """Numbers of users."""

    total: int
    disabled: int
    administrators: int
