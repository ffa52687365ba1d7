"""A JWT before it is verified: only what says whom to ask. Pure, and for anybody's bytes."""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

MAX_JWT_BYTES = 16 * 1024
MAX_HEADER_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Unverified:
    """What a JWT says of itself. Nobody has vouched for any of it."""

    header: dict[str, Any]
    claims: dict[str, Any]


def read_unverified(bearer: str) -> Unverified | None:
    """The header and claims of a compact JWS (RFC 7515 §7.1); None where it isn't one."""
    if len(bearer) > MAX_JWT_BYTES or bearer.count(".") != 2 or not bearer.isascii():
        return None
    header, payload, signature = bearer.split(".")
    if not (header and payload and signature) or len(header) > MAX_HEADER_BYTES:
        return None
    read_header, read_claims = _object(header), _object(payload)
    if read_header is None or read_claims is None:
        return None
    return Unverified(read_header, read_claims)


def _object(part: str) -> dict[str, Any] | None:
    try:
        raw = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
        value = json.loads(raw)
    except (binascii.Error, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
