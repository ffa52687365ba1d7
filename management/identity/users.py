"""Create users, and the first administrator."""

import secrets
from datetime import UTC, datetime

from config.composed import MOST_CHARACTERS, composed
from impersonation.display_names import trimmed
from impersonation.reserved_names import ReservedName, reject_reserved
from store.errors import Conflict
from store.interfaces import Store
from store.records import NewPassword, Principal, User

_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
FIRST_ADMINISTRATOR = "admin"
MAX_USERNAME_LENGTH = 128


def random_id(prefix: str) -> str:
    """Return ``prefix`` and 10 base32 characters (50 random bits), as in ``u-7hx2kqm3va``."""
    return f"{prefix}-" + "".join(secrets.choice(_BASE32) for _ in range(10))


def new_user(username: str, *, display_name: str = "", administrator: bool = False) -> User:
    """Return a local user, not stored yet, with a principal at the local provider."""
    user_id = random_id("u")
    return User(
        id=user_id,
        username=username,
        display_name=display_name or username,
        enabled=True,
        administrator=administrator,
        created_at=datetime.now(UTC),
        principals=(Principal(f"local://{user_id}", "local", username),),
    )


def one_time_password() -> str:
    """Return a password of 125 random bits, easy to copy by hand: five groups of base32."""
    groups = ("".join(secrets.choice(_BASE32) for _ in range(5)) for _ in range(5))
    return "-".join(groups)


async def ensure_administrator(store: Store, password: NewPassword) -> bool:
    """Create the first administrator if there is no user; return whether this call did.

    If two replicas start together, one of them creates it: usernames are unique.
    """
    if await store.users.has_any():
        return False
    admin = new_user(FIRST_ADMINISTRATOR, display_name="Administrator", administrator=True)
    try:
        await store.users.create(admin, password=password)
    except Conflict:
        return False
    return True


def validated_external_username(name: str) -> str:
    """Return ``name`` if a user of an external provider may have it (``acme/app``).

    Raises:
        ValueError: it may not; the message is a sentence.
    """
    _check_shown(name)
    try:
        reject_reserved([name])
    except ReservedName as exc:
        raise ValueError(str(exc)) from None
    return name


def _check_shown(name: str) -> None:
    try:
        trimmed(name)
    except ValueError as exc:
        raise ValueError(f"a username {exc}") from None
    if not 1 <= len(name) <= MAX_USERNAME_LENGTH:
        raise ValueError(f"a username must have 1 to {MAX_USERNAME_LENGTH} characters")


def checked_username(name: str) -> str:
    """Return ``name``, NFC-normalised, if a local user may have it.

    Raises:
        ValueError: it may not; the message is a sentence.
    """
    if len(name) <= MOST_CHARACTERS:
        name = composed(name)
    _check_shown(name)
    if any(character in name for character in ":/\\") or name.lower().startswith("u-"):
        raise ValueError("a username may not contain : / or \\ and may not begin with u-")
    return name
