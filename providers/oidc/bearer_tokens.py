"""An issuer's JWTs as credentials: verified, and matched with the rules."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from providers.base import BearerScope, Refused, Verified
from providers.claim_rules import ClaimRule, first_match
from providers.jwt_bearer import Unverified, read_unverified
from providers.jwt_claims import check_issued
from providers.oidc_identity import identity_of, sign_in_refusal
from providers.oidc_issuer import Issuer
from providers.oidc_settings import BearerSettings, OidcSettings

_TYPES = frozenset({None, "jwt", "at+jwt"})
"""Header ``typ``, without ``application/``: others are for something else (RFC 8725 §3.11)."""


class OidcBearers:
    """Verifies the tokens of one issuer. A :class:`providers.base.BearerVerifier`."""

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

    def claims(self, bearer: str) -> bool:
        """Whether it says that the issuer has issued it."""
        if self._settings.bearer is None:
            return False
        said = read_unverified(bearer)
        return said is not None and said.claims.get("iss") == self._settings.issuer

    async def verify(self, bearer: str) -> Verified | Refused | None:
        """Whose it is and for what. Raises ProviderUnavailable where the keys aren't known."""
        accepted, said = self._settings.bearer, read_unverified(bearer)
        if accepted is None or said is None:
            return Refused("malformed")
        refusal = await self._refusal(bearer, said, accepted)
        refusal = refusal or sign_in_refusal(self._settings, said.claims)
        if refusal is not None:
            return refusal
        rule = first_match(accepted.rules, said.claims) if accepted.rules else None
        if isinstance(rule, Refused):
            return rule
        return self._verified(said.claims, accepted, rule)

    async def _refusal(
        self, bearer: str, said: Unverified, accepted: BearerSettings
    ) -> Refused | None:
        kind = said.header.get("typ")
        kind = kind.lower().removeprefix("application/") if isinstance(kind, str) else kind
        if not isinstance(kind, str | None) or kind not in _TYPES:
            return Refused("wrong_type")
        # The claims first: who shows an expired token shall cost no signature.
        refusal = check_issued(
            said.claims,
            issuer=self._settings.issuer,
            audiences=accepted.audiences,
            now=self._wall_clock(),
            skew=self._settings.clock_skew.total_seconds(),
        )
        return refusal or await self._issuer.signed(bearer, said, self._settings.algorithms)

    def _verified(
        self, claims: Mapping[str, Any], accepted: BearerSettings, rule: ClaimRule | None
    ) -> Verified | Refused:
        groups = rule.groups if rule is not None else ()
        identity = identity_of(self._name, self._settings, claims, more_groups=groups)
        if isinstance(identity, Refused):
            return identity
        scope = BearerScope(lifetime=accepted.token_lifetime)
        if rule is not None:
            scope = BearerScope(
                clusters=rule.clusters,
                projects=rule.projects,
                read_only=rule.read_only,
                lifetime=rule.lifetime or accepted.token_lifetime,
                rule=rule.name,
            )
        # The same tolerance at its end as at every other look at it.
        skew = self._settings.clock_skew.total_seconds()
        expires_at = datetime.fromtimestamp(claims["exp"] + skew, UTC)
        return Verified(identity, expires_at, direct=accepted.direct, scope=scope)
