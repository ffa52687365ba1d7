"""Users who are not seen any more: disabled after a while, deleted after a longer one.

Administrators never: somebody must be left who can let people in again.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import structlog

from store.interfaces import NotFound, Store, StoreError

LOOK_SECONDS = 3600.0
"""How often users are looked through. Periods are days."""

_LOG = structlog.get_logger("sekisho.retention")


async def retire_unseen(
    store: Store, now: datetime, disable_after: timedelta, delete_after: timedelta | None
) -> tuple[list[str], list[str]]:
    """The ids of the users that were disabled, and of those that were deleted. Raises StoreError.

    Only who is disabled already is deleted, so nobody goes at once when the periods are shortened.
    """
    disabled: list[str] = []
    deleted: list[str] = []
    for user in await store.identities.unseen(now - disable_after):
        if user.enabled:
            await store.users.update(user.id, enabled=False)
            await store.identities.revoke_tokens(user_id=user.id)
            _LOG.warning("user disabled: not seen for long", user=user.id)
            disabled.append(user.id)
    if delete_after is None:
        return disabled, deleted
    for user in await store.identities.unseen(now - delete_after):
        if user.enabled or user.id in disabled:
            continue
        try:
            await store.users.delete(user.id)
        except NotFound:
            continue  # another replica was quicker
        _LOG.warning("user deleted: not seen for long", user=user.id)
        deleted.append(user.id)
    return disabled, deleted


async def retire_forever(
    store: Store,
    disable_after: timedelta | None,
    delete_after: timedelta | None,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Do so every hour, until cancelled."""
    while True:
        await sleep(LOOK_SECONDS * (0.5 + random.random()))  # noqa: S311 - not for secrecy
        if disable_after is None:
            continue
        try:
            await retire_unseen(store, datetime.now(UTC), disable_after, delete_after)
        except StoreError as exc:
            _LOG.warning("users not looked at", error=str(exc))
