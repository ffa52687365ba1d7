r"""LDAP search filters (RFC 4515), in which user input is never more than a value. Pure.

Values are escaped byte by byte: all but a few harmless characters become ``\xx`` (RFC 4515 §3).
That is more than the RFC requires and means the same. Filters from an operator are used unchanged.
"""

import re

IN_CHAIN = "1.2.840.113556.1.4.1941"
"""AD's matching rule that follows a DN attribute to any depth (MS-ADTS 3.1.1.3.4.4)."""

_HARMLESS = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.@")
_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9-]*(?:;[A-Za-z0-9-]+)*", re.ASCII)


def escape(value: str | bytes) -> str:
    """Return ``value`` as an assertion value. Raises UnicodeEncodeError for a lone surrogate."""
    raw = value.encode() if isinstance(value, str) else value
    return "".join(chr(byte) if byte in _HARMLESS else f"\\{byte:02x}" for byte in raw)


def equals(attribute: str, value: str | bytes) -> str:
    """Match entries whose ``attribute`` has that value."""
    return f"({attribute}={escape(value)})"


def begins(attribute: str, text: str) -> str:
    """Match entries whose ``attribute`` begins with ``text``. Empty text matches any value."""
    return f"({attribute}={escape(text)}*)"


def in_chain(attribute: str, dn: str) -> str:
    """Match entries whose ``attribute`` leads to ``dn``, directly or through other entries."""
    return f"({attribute}:{IN_CHAIN}:={escape(dn)})"


def all_of(*filters: str) -> str:
    """Match entries that every filter matches."""
    return filters[0] if len(filters) == 1 else f"(&{''.join(filters)})"


def any_of(*filters: str) -> str:
    """Match entries that at least one filter matches."""
    return filters[0] if len(filters) == 1 else f"(|{''.join(filters)})"


def is_attribute(text: str) -> bool:
    """Return whether ``text`` is the name of an attribute (RFC 4512 §2.5), with any options."""
    return _ATTRIBUTE.fullmatch(text) is not None


def is_filter(text: str) -> bool:
    """Return whether ``text`` looks like one complete filter, in balanced parentheses."""
    depth = 0
    for position, character in enumerate(text):
        if character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if depth == 0:
                return position == len(text) - 1 and position > 1
        if depth < 1:
            return False
    return False
