"""Logout tokens of an issuer (OpenID Connect Back-Channel Logout 1.0)."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from providers.base import Rejected
from providers.jwt.unverified import read_unverified
from providers.oidc.identity import identity_of
from providers.oidc.issued_tokens import IssuedTokens
from providers.oidc.issuer import Issuer
from providers.oidc.settings import OidcSettings

EVENT = "http://schemas.openid.net/event/backchannel-logout"
LONGEST_AGE = 300.0
"""The most seconds since a logout token was issued."""

MAX_REMEMBERED = 10_000


class OidcLogout(IssuedTokens):
    """Validates the logout tokens of one issuer."""

    def __init__(
        self,
        name: str,
        settings: OidcSettings,
        issuer: Issuer,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(name, settings, issuer, wall_clock)
        self._used: OrderedDict[str, float] = OrderedDict()

    async def logged_out(self, logout_token: str) -> str | Rejected:
        """Return the principal that signed out, after the checks of §2.6."""
        unverified = read_unverified(logout_token)
        if unverified is None:
            return Rejected("malformed")
        now, skew = self._wall_clock(), self._settings.clock_skew.total_seconds()
        rejection = (
            self._issued_rejection(
                # Early editions have no "exp": without it, the token's age decides.
                {"exp": _number(unverified.claims, "iat") + LONGEST_AGE, **unverified.claims},
                [self._settings.client_id or ""],
            )
            or _not_a_logout(unverified.claims)
            or await self._issuer.signed(logout_token, unverified, self._settings.algorithms)
        )
        if rejection is not None:
            return rejection
        if _number(unverified.claims, "iat") < now - skew - LONGEST_AGE:
            return Rejected("expired")
        if not self._first_time(unverified.claims["jti"], now):
            return Rejected("used_before")
        identity = identity_of(self._name, self._settings, unverified.claims)
        return identity if isinstance(identity, Rejected) else identity.principal_id

    def _first_time(self, jti: str, now: float) -> bool:
        while self._used and (
            len(self._used) >= MAX_REMEMBERED or next(iter(self._used.values())) < now
        ):
            self._used.popitem(last=False)
        if jti in self._used:
            return False
        self._used[jti] = now + LONGEST_AGE + 2 * self._settings.clock_skew.total_seconds()
        return True


def _not_a_logout(claims: Mapping[str, Any]) -> Rejected | None:
    events = claims.get("events")
    if not isinstance(events, Mapping) or not isinstance(events.get(EVENT), Mapping):
        return Rejected("not_a_logout")
    if "nonce" in claims:
        # An ID token must not be accepted as a logout token (§2.4).
        return Rejected("not_a_logout", "it has a nonce")
    if not isinstance(claims.get("jti"), str):
        return Rejected("missing_claim", "jti")
    return None


def _number(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
