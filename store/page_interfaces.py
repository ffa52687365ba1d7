"""Protocols of repositories whose lists are read in pages."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from store.page_records import UserCounts, UserFilter, UserOrder
from store.records import User


class UserPages(Protocol):
    """Pages and numbers of users."""

    async def page(
        self,
        wanted: UserFilter,
        order: UserOrder,
        *,
        after: tuple[str | datetime, str] | None = None,
        limit: int | None = None,
    ) -> Sequence[User]:
        """Return at most ``limit`` users that satisfy ``wanted``, in order.

        ``after``: only those after a user, given by the value of the order's field and the id.
        The rows that are read are those of the page.
        """

    async def counts(self) -> UserCounts:
        """Return how many users exist, are disabled, and are administrators."""
