"""What may be sent to a directory as a name or a password. Pure."""

from providers.base import Refused

MAX_PASSWORD_BYTES = 1024
MAX_NAME_LENGTH = 1024


def is_name(text: str, *, empty: bool = False) -> bool:
    """Whether ``text`` can be a name: not too long, no control characters, no lone surrogates."""
    if not empty and not text:
        return False
    return len(text) <= MAX_NAME_LENGTH and not any(
        ord(one) < 0x20 or ord(one) == 0x7F or 0xD800 <= ord(one) <= 0xDFFF for one in text
    )


def password_bytes(password: str) -> bytes | Refused:
    """The bytes to bind with, or why there are none.

    A bind without a password succeeds, as anonymous (RFC 4513 §5.1.2); a NUL ends a password for
    servers that are written in C, so that one of nothing else is an empty one, too.
    """
    if not password:
        return Refused("password_empty")
    if "\0" in password:
        return Refused("wrong_password", "with a NUL in it")
    try:
        encoded = password.encode()
    except UnicodeEncodeError:
        return Refused("wrong_password", "not text")
    if len(encoded) > MAX_PASSWORD_BYTES:
        return Refused("password_too_long")
    return encoded
