"""Disable users who have not been seen for a period, and delete them after a longer one.

Administrators are exempt: at least one user must remain who can admit others.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

from config.loggers import get_logger
from store.errors import RecordNotFound, StoreError, StoreUnavailable
from store.interfaces import Store
from store.records import User

LOOK_SECONDS = 3600.0
"""Interval between scans. Retention periods are days."""

_LOG = get_logger(__name__)


async def disable_inactive_users(
    store: Store, now: datetime, disable_after: timedelta, delete_after: timedelta | None
) -> tuple[list[str], list[str]]:
    """Return the ids of the users that were disabled, and of those that were deleted.

    Only users who are disabled already are deleted, so shortening the periods deletes no user at
    once. A user who cannot be disabled or deleted does not stop the others; the next scan retries.

    Raises:
        StoreError: the store cannot be read.
    """
    unseen = [one for one in await store.identities.unseen(now - disable_after) if one.enabled]
    disabled = await _each(store, unseen, "disabled", _disable)
    if delete_after is None:
        return disabled, []
    unseen = [
        one
        for one in await store.identities.unseen(now - delete_after)
        if not one.enabled and one.id not in disabled
    ]
    return disabled, await _each(store, unseen, "deleted", _delete)


async def _each(
    store: Store, users: Sequence[User], what: str, do: Callable[[Store, User], Awaitable[None]]
) -> list[str]:
    done: list[str] = []
    for user in users:
        try:
            await do(store, user)
        except RecordNotFound:
            continue  # another replica did it first
        except StoreUnavailable:
            raise
        except StoreError as exc:
            _LOG.error(f"user not {what}", user=user.id, error=str(exc))
            continue
        _LOG.warning(f"inactive user {what}", user=user.id)
        done.append(user.id)
    return done


async def _disable(store: Store, user: User) -> None:
    await store.users.update(user.id, enabled=False)
    await store.identities.revoke_tokens(user_id=user.id)


async def _delete(store: Store, user: User) -> None:
    await store.users.delete(user.id)


async def retire_forever(
    store: Store,
    disable_after: timedelta | None,
    delete_after: timedelta | None,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Disable and delete inactive users about every hour, until cancelled."""
    while True:
        await sleep(LOOK_SECONDS * (0.5 + random.random()))  # noqa: S311 - not for secrecy
        if disable_after is None:
            continue
        try:
            await disable_inactive_users(store, datetime.now(UTC), disable_after, delete_after)
        except StoreError as exc:
            _LOG.warning("user retention scan failed", error=str(exc))
