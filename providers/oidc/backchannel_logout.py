"""Being told that somebody has signed out there (OpenID Connect Back-Channel Logout 1.0)."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from providers.base import Refused
from providers.jwt_bearer import read_unverified
from providers.jwt_claims import check_issued
from providers.oidc_identity import identity_of
from providers.oidc_issuer import Issuer
from providers.oidc_settings import OidcSettings

EVENT = "http://schemas.openid.net/event/backchannel-logout"
LONGEST_AGE = 300.0
"""Seconds since it was issued; older ones are refused."""

MAX_REMEMBERED = 10_000


class OidcLogout:
    """Reads the logout tokens of one issuer."""

    def __init__(
        self,
        name: str,
        settings: OidcSettings,
        issuer: Issuer,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._name = name
        self._settings = settings
        self._issuer = issuer
        self._wall_clock = wall_clock
        self._used: OrderedDict[str, float] = OrderedDict()

    async def logged_out(self, logout_token: str) -> str | Refused:
        """The principal who has signed out, by the checks of §2.6."""
        said = read_unverified(logout_token)
        if said is None:
            return Refused("malformed")
        now, skew = self._wall_clock(), self._settings.clock_skew.total_seconds()
        refusal = (
            check_issued(
                # "exp" came with a later edition: without one, its age is what counts.
                {"exp": _number(said.claims, "iat") + LONGEST_AGE, **said.claims},
                issuer=self._settings.issuer,
                audiences=[self._settings.client_id or ""],
                now=now,
                skew=skew,
            )
            or _not_a_logout(said.claims)
            or await self._issuer.signed(logout_token, said, self._settings.algorithms)
        )
        if refusal is not None:
            return refusal
        if _number(said.claims, "iat") < now - skew - LONGEST_AGE:
            return Refused("expired")
        if not self._first_time(said.claims["jti"], now):
            return Refused("used_before")
        identity = identity_of(self._name, self._settings, said.claims)
        return identity if isinstance(identity, Refused) else identity.principal_id

    def _first_time(self, jti: str, now: float) -> bool:
        while self._used and (
            len(self._used) >= MAX_REMEMBERED or next(iter(self._used.values())) < now
        ):
            self._used.popitem(last=False)
        if jti in self._used:
            return False
        self._used[jti] = now + LONGEST_AGE + 2 * self._settings.clock_skew.total_seconds()
        return True


def _not_a_logout(claims: Mapping[str, Any]) -> Refused | None:
    events = claims.get("events")
    if not isinstance(events, Mapping) or not isinstance(events.get(EVENT), Mapping):
        return Refused("not_a_logout")
    if "nonce" in claims:
        # So that nobody passes an ID token off as one (§2.4).
        return Refused("not_a_logout", "it has a nonce")
    if not isinstance(claims.get("jti"), str):
        return Refused("missing_claim", "jti")
    return None


def _number(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
