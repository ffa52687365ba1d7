"""Read a JWT before its verification, to find its issuer. Pure; accepts any text."""

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from config.bounded_json import load_json

MAX_JWT_BYTES = 16 * 1024
"""The limit for a token from a client: more than a request's header can contain."""

MAX_ID_TOKEN_BYTES = 256 * 1024
"""The limit for a token from an issuer: several thousand groups. Parsing takes linear time."""

MAX_HEADER_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Unverified:
    """The header and claims of a JWT that is not verified, and must not be trusted."""

    header: dict[str, Any]
    claims: dict[str, Any]


def read_unverified(bearer: str, *, limit: int = MAX_JWT_BYTES) -> Unverified | None:
    """Return the header and claims of a compact JWS (RFC 7515 §7.1) of at most ``limit`` bytes.

    None if it is not one.
    """
    if len(bearer) > limit or bearer.count(".") != 2 or not bearer.isascii():
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
        value = load_json(raw)
    except (binascii.Error, ValueError):
        return None
    return value if isinstance(value, dict) else None
