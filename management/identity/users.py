"""Making users, and the one who is there before anybody could make one."""

import secrets
import unicodedata
from datetime import UTC, datetime

from impersonation.policy import ReservedName, refuse_reserved
from store.interfaces import Conflict, Principal, Store, User

_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
FIRST_ADMINISTRATOR = "admin"
MAX_USERNAME_LENGTH = 128


def random_id(prefix: str) -> str:
    """``prefix`` and 10 base32 characters (50 random bits), as in ``u-7hx2kqm3va``."""
    return f"{prefix}-" + "".join(secrets.choice(_BASE32) for _ in range(10))


def new_user(username: str, *, display_name: str = "", administrator: bool = False) -> User:
    """A local user, not yet stored, with a principal at the local provider."""
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
    """A password of 120 random bits, easy to copy by hand: five groups of base32."""
    groups = ("".join(secrets.choice(_BASE32) for _ in range(5)) for _ in range(5))
    return "-".join(groups)


async def ensure_administrator(store: Store, password: str, password_hash: str) -> str | None:
    """Make the first administrator, who must change ``password``; None where there is a user.

    Two replicas that start together make one: names are unique.
    """
    if await store.users.anybody():
        return None
    admin = new_user(FIRST_ADMINISTRATOR, display_name="Administrator", administrator=True)
    try:
        await store.users.create(admin, password_hash=password_hash, must_change=True)
    except Conflict:
        return None
    return password


def vouched_name(name: str) -> str:
    """``name`` if a user of another provider's may be called that (``acme/app``).

    Raises ValueError with a sentence.
    """
    if not 1 <= len(name) <= MAX_USERNAME_LENGTH or not name.isprintable() or name != name.strip():
        raise ValueError("a user name must be printable, without spaces around it, and not empty")
    try:
        refuse_reserved([name])
    except ReservedName as exc:
        raise ValueError(str(exc)) from None
    return name


def checked_username(name: str) -> str:
    """``name``, NFC-normalised, if a local user may be called that.

    Raises ValueError with a sentence.
    """
    name = unicodedata.normalize("NFC", name)
    if not 1 <= len(name) <= MAX_USERNAME_LENGTH or not name.isprintable() or name != name.strip():
        raise ValueError("a user name must be printable, without spaces around it, and not empty")
    if any(character in name for character in ":/\\") or name.lower().startswith("u-"):
        raise ValueError("a user name may not hold : / or \\ nor begin with u-")
    return name
