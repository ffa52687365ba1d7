"""Checks on the claims of a verified JWT (RFC 7519 §4.1, OpenID Connect Core §3.1.3.7). Pure."""

import base64
import hashlib
import hmac
import math
from collections.abc import Collection, Mapping
from typing import Any

from providers.base import Refused

LONGEST_LIFE = 7 * 24 * 3600.0
"""Seconds: a token that is good for longer is refused, whatever its issuer thinks."""

_HASHES = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}


def check_issued(
    claims: Mapping[str, Any],
    *,
    issuer: str,
    audiences: Collection[str],
    now: float,
    skew: float,
) -> Refused | None:
    """Why a token isn't for us or isn't good now; None: it is. Times in seconds since the epoch."""
    if claims.get("iss") != issuer:
        return Refused("issuer_mismatch")
    named = claims.get("aud")
    named = [named] if isinstance(named, str) else named
    if not isinstance(named, list) or not any(
        isinstance(one, str) and one in audiences for one in named
    ):
        return Refused("audience_mismatch")
    return _check_times(claims, now, skew)


def _check_times(claims: Mapping[str, Any], now: float, skew: float) -> Refused | None:
    expires, begins, issued = (_time(claims, name) for name in ("exp", "nbf", "iat"))
    if expires is None:
        return Refused("missing_claim", "exp")
    if expires <= now - skew:
        return Refused("expired")
    if begins is not None and begins > now + skew:
        return Refused("not_yet_valid")
    if issued is None:
        return Refused("missing_claim", "iat")
    if issued > now + skew:
        return Refused("issued_in_future")
    if expires - issued > LONGEST_LIFE:
        return Refused("lives_too_long")
    return None


def check_sign_in(
    claims: Mapping[str, Any],
    *,
    client_id: str,
    nonce: str | None,
    algorithm: str,
    access_token: str,
) -> Refused | None:
    """What an ID token must say besides, as the answer to this sign-in and no other.

    ``nonce`` None: none was sent (a device's sign-in).
    """
    audience = claims.get("aud")
    several = isinstance(audience, list) and len(audience) > 1
    party = claims.get("azp")
    if (several or party is not None) and party != client_id:
        return Refused("audience_mismatch", "azp")
    if nonce is not None and not _same(claims.get("nonce"), nonce):
        return Refused("nonce_mismatch")
    if "at_hash" in claims and not _is_hash(claims["at_hash"], access_token, algorithm):
        return Refused("at_hash_mismatch")
    return None


def _is_hash(said: Any, access_token: str, algorithm: str) -> bool:
    """OpenID Connect Core §3.1.3.6: the left half of the hash that goes with the algorithm."""
    made = _HASHES.get(algorithm[-3:], hashlib.sha512)(access_token.encode()).digest()
    left = base64.urlsafe_b64encode(made[: len(made) // 2]).rstrip(b"=")
    return _same(said, left.decode("ascii"))


def _same(said: Any, wanted: str) -> bool:
    if not isinstance(said, str):
        return False
    return hmac.compare_digest(said.encode("utf-8", "surrogatepass"), wanted.encode())


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
