"""The attributes of an account in Active Directory: status, GUID and SID. Pure.

Numbers and forms: MS-ADTS 2.2.16 (userAccountControl), 2.3.4 (GUIDs), MS-DTYP 2.4.2.2 (SIDs).
"""

import re
import struct
import uuid
from collections.abc import Mapping

ACCOUNT_DISABLED = 0x0002

_NUMBER = re.compile(r"-?[0-9]{1,20}")
_NEVER = (0, 0x7FFF_FFFF_FFFF_FFFF)
_FILETIME_EPOCH = 11_644_473_600  # seconds from 1601 to 1970


def disabled_reason(attributes: Mapping[str, str], now: float) -> str | None:
    """Return why the account must not be used at ``now`` (seconds since 1970), or None.

    A lock and an expired password are not reasons: they concern sign-ins with a password, which the
    directory decides. Otherwise, wrong guesses by others could end a user's sessions.

    Raises:
        ValueError: an attribute is missing or not valid. Every account has both, so a missing
            attribute means a missing permission to read it, and not an account without an end.
    """
    flags = _number(attributes, "userAccountControl")
    if flags & ACCOUNT_DISABLED:
        return "account_disabled"
    expires = _number(attributes, "accountExpires")
    if not 0 <= expires <= _NEVER[1]:
        raise ValueError("accountExpires is not a time")
    if expires not in _NEVER and expires / 10_000_000 - _FILETIME_EPOCH <= now:
        return "account_expired"
    return None


def _number(attributes: Mapping[str, str], name: str) -> int:
    text = attributes.get(name, "")
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{name} is missing" if not text else f"{name} is not a number")
    return int(text)


def guid_text(raw: bytes) -> str:
    """Return an objectGUID as text, ``8c1d…-…``. Raises ValueError if it is not one."""
    return str(uuid.UUID(bytes_le=raw))


def guid_bytes(text: str) -> bytes:
    """Return the objectGUID for a text of :func:`guid_text`. Raises ValueError."""
    parsed = uuid.UUID(text)
    if str(parsed) != text:
        raise ValueError(f"{text!r} is not a GUID in its usual form")
    return parsed.bytes_le


def sid_beside(sid: bytes, relative_id: int) -> bytes:
    """Return the SID of ``relative_id`` in the domain of ``sid``. Raises ValueError."""
    if len(sid) < 12 or sid[0] != 1 or len(sid) != 8 + 4 * sid[1]:
        raise ValueError("not a security identifier")
    if not 0 <= relative_id < 1 << 32:
        raise ValueError("not a relative identifier")
    return sid[:-4] + struct.pack("<I", relative_id)
