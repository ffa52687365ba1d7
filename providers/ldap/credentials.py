"""Names and passwords that may be sent to a directory. Pure."""

from impersonation.reserved_names import UNSENDABLE_CHARACTERS
from providers.base import Rejected

MAX_PASSWORD_BYTES = 1024
MAX_NAME_LENGTH = 1024


def is_name(text: str, *, empty: bool = False) -> bool:
    """Return whether ``text`` can be a name: not too long, no control characters or surrogates."""
    if not empty and not text:
        return False
    return len(text) <= MAX_NAME_LENGTH and not UNSENDABLE_CHARACTERS.search(text)


def password_bytes(password: str) -> bytes | Rejected:
    """Return the bytes to bind with, or a rejection.

    A bind without a password succeeds as anonymous (RFC 4513 §5.1.2). For servers in C, a NUL ends
    the password, so that a password which begins with NUL is empty, too.
    """
    if not password:
        return Rejected("password_empty")
    if "\0" in password:
        return Rejected("wrong_password", "contains NUL")
    try:
        encoded = password.encode()
    except UnicodeEncodeError:
        return Rejected("wrong_password", "not text")
    if len(encoded) > MAX_PASSWORD_BYTES:
        return Rejected("password_too_long")
    return encoded
