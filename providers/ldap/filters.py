r"""LDAP search filters (RFC 4515), built so that nothing anybody typed is more than a value. Pure.

A value is escaped byte by byte: whatever isn't plainly harmless becomes ``\xx`` (RFC 4515 §3),
which is more than the RFC asks for and means the same. Filters that an operator wrote come in as
they are.
"""

import re

IN_CHAIN = "1.2.840.113556.1.4.1941"
"""AD's matching rule that follows a DN attribute to any depth (MS-ADTS 3.1.1.3.4.4)."""

_HARMLESS = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.@")
_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9-]*(?:;[A-Za-z0-9-]+)*", re.ASCII)


def escape(value: str | bytes) -> str:
    """``value`` as an assertion value. Raises UnicodeEncodeError for a lone surrogate."""
    raw = value.encode() if isinstance(value, str) else value
    return "".join(chr(byte) if byte in _HARMLESS else f"\\{byte:02x}" for byte in raw)


def equals(attribute: str, value: str | bytes) -> str:
    """Entries whose ``attribute`` has that value."""
    return f"({attribute}={escape(value)})"


def begins(attribute: str, text: str) -> str:
    """Entries that have a value of ``attribute`` that begins with ``text``; any, for no text."""
    return f"({attribute}={escape(text)}*)"


def in_chain(attribute: str, dn: str) -> str:
    """Entries whose ``attribute`` leads to ``dn``, directly or over others."""
    return f"({attribute}:{IN_CHAIN}:={escape(dn)})"


def all_of(*filters: str) -> str:
    """Entries that every filter finds."""
    return filters[0] if len(filters) == 1 else f"(&{''.join(filters)})"


def any_of(*filters: str) -> str:
    """Entries that some filter finds."""
    return filters[0] if len(filters) == 1 else f"(|{''.join(filters)})"


def is_attribute(text: str) -> bool:
    """Whether ``text`` is an attribute's name (RFC 4512 §2.5), options included."""
    return _ATTRIBUTE.fullmatch(text) is not None


def is_filter(text: str) -> bool:
    """Whether ``text`` looks like one whole filter: parentheses around it, and balanced."""
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
