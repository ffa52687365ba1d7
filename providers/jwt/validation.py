"""Checks on the claims of a verified JWT (RFC 7519 §4.1, OpenID Connect Core §3.1.3.7). Pure."""

import base64
import hashlib
import hmac
import math
from collections.abc import Collection, Mapping
from typing import Any

from providers.base import Rejected

LONGEST_LIFE = 7 * 24 * 3600.0
"""Seconds. A token with a longer lifetime is rejected, from any issuer."""

_HASHES = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}


def check_issued(
    claims: Mapping[str, Any],
    *,
    issuer: str,
    audiences: Collection[str],
    now: float,
    skew: float,
) -> Rejected | None:
    """Return why a token is for another audience or not valid at ``now``, or None.

    Times are in seconds since 1970.
    """
    if claims.get("iss") != issuer:
        return Rejected("issuer_mismatch")
    named = claims.get("aud")
    named = [named] if isinstance(named, str) else named
    if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
        return Rejected("audience_mismatch", "not a name, nor a list of names")
    if not any(one in audiences for one in named):
        return Rejected("audience_mismatch")
    return _check_times(claims, now, skew)


def check_for_us(
    claims: Mapping[str, Any], *, issuer: str, audience: str, now: float, skew: float
) -> Rejected | None:
    """Return why claims with optional ``iss``, ``aud`` and ``exp`` are not valid, or None."""
    if claims.get("iss", issuer) != issuer:
        return Rejected("issuer_mismatch")
    named = claims.get("aud", audience)
    if audience not in (named if isinstance(named, list) else [named]):
        return Rejected("audience_mismatch")
    expires = _time(claims, "exp")
    if "exp" in claims and (expires is None or expires <= now - skew):
        return Rejected("expired")
    return None


def _check_times(claims: Mapping[str, Any], now: float, skew: float) -> Rejected | None:
    expires, begins, issued = (_time(claims, name) for name in ("exp", "nbf", "iat"))
    if expires is None:
        return Rejected("missing_claim", "exp")
    if expires <= now - skew:
        return Rejected("expired")
    if begins is not None and begins > now + skew:
        return Rejected("not_yet_valid")
    if issued is None:
        return Rejected("missing_claim", "iat")
    if issued > now + skew:
        return Rejected("issued_in_future")
    if expires - issued > LONGEST_LIFE:
        return Rejected("lives_too_long")
    return None


def check_sign_in(
    claims: Mapping[str, Any],
    *,
    client_id: str,
    nonce: str | None,
    algorithm: str,
    access_token: str,
) -> Rejected | None:
    """Return why an ID token does not belong to this sign-in, or None.

    ``nonce`` None: none was sent (a sign-in with a device code). A token with several audiences and
    no authorized party is accepted: it comes from the issuer's token endpoint, for Sekisho's code
    (OpenID Connect Core §3.1.3.7, errata set 2). An authorized party must be Sekisho.
    """
    if "azp" in claims and claims["azp"] != client_id:
        return Rejected("audience_mismatch", "azp")
    if nonce is not None and not _same(claims.get("nonce"), nonce):
        return Rejected("nonce_mismatch")
    if "at_hash" in claims and not _is_hash(claims["at_hash"], access_token, algorithm):
        return Rejected("at_hash_mismatch")
    return None


def _is_hash(value: Any, access_token: str, algorithm: str) -> bool:
    """Return whether ``value`` is the left half of the token's hash (OIDC Core §3.1.3.6)."""
    made = _HASHES.get(algorithm[-3:], hashlib.sha512)(access_token.encode()).digest()
    left = base64.urlsafe_b64encode(made[: len(made) // 2]).rstrip(b"=")
    return _same(value, left.decode("ascii"))


def _same(value: Any, wanted: str) -> bool:
    if not isinstance(value, str):
        return False
    return hmac.compare_digest(value.encode("utf-8", "surrogatepass"), wanted.encode())


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
