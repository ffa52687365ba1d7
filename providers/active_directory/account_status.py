"""What the attributes of an account in Active Directory say. Pure.

Numbers and forms: MS-ADTS 2.2.16 (userAccountControl), 2.3.4 (GUIDs), MS-DTYP 2.4.2.2 (SIDs).
"""

import struct
import uuid
from collections.abc import Mapping

ACCOUNT_DISABLED = 0x0002

_NEVER = (0, 0x7FFF_FFFF_FFFF_FFFF)
_FILETIME_EPOCH = 11_644_473_600  # seconds from 1601 to 1970


def closed_for(attributes: Mapping[str, str], now: float) -> str | None:
    """Why the account may not be used at all, or None. Raises ValueError for odd numbers.

    A lock and an old password aren't among the reasons: they concern who signs in with a password,
    which the directory answers itself. Else whoever guesses wrongly could end other people's work.
    ``now`` is seconds since 1970.
    """
    flags = int(attributes["userAccountControl"])
    if flags & ACCOUNT_DISABLED:
        return "account_disabled"
    expires = int(attributes.get("accountExpires") or 0)
    if expires not in _NEVER and expires / 10_000_000 - _FILETIME_EPOCH <= now:
        return "account_expired"
    return None


def guid_text(raw: bytes) -> str:
    """An objectGUID in its usual form, ``8c1d…-…``. Raises ValueError where it isn't one."""
    return str(uuid.UUID(bytes_le=raw))


def guid_bytes(text: str) -> bytes:
    """The objectGUID that :func:`guid_text` writes so. Raises ValueError."""
    parsed = uuid.UUID(text)
    if str(parsed) != text:
        raise ValueError(f"{text!r} is not how a GUID is written")
    return parsed.bytes_le


def sid_beside(sid: bytes, relative_id: int) -> bytes:
    """The SID of ``relative_id`` in the domain that ``sid`` is of. Raises ValueError."""
    if len(sid) < 12 or sid[0] != 1 or len(sid) != 8 + 4 * sid[1]:
        raise ValueError("not a security identifier")
    if not 0 <= relative_id < 1 << 32:
        raise ValueError("not a relative identifier")
    return sid[:-4] + struct.pack("<I", relative_id)
