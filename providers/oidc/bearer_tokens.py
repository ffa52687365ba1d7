"""An issuer's JWTs as credentials: verification and rules."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from providers.base import BearerScope, Rejected, Verified
from providers.jwt.rules import ClaimRule, first_match
from providers.jwt.unverified import Unverified, read_unverified
from providers.oidc.identity import identity_of, sign_in_rejection
from providers.oidc.issued_tokens import IssuedTokens
from providers.oidc.settings import BearerSettings

_TYPES = frozenset({None, "jwt", "at+jwt"})
"""Accepted values of ``typ``, without ``application/``. Others have other purposes (RFC 8725
§3.11).
"""


class OidcBearers(IssuedTokens):
    """Verifies the tokens of one issuer. A :class:`providers.base.BearerVerifier`."""

    def claims(self, bearer: str) -> bool:
        """Return whether ``bearer`` names the issuer."""
        if self._settings.bearer is None:
            return False
        unverified = read_unverified(bearer)
        return unverified is not None and unverified.claims.get("iss") == self._settings.issuer

    async def verify(self, bearer: str) -> Verified | Rejected | None:
        """Return the token's identity and limits. Raises ProviderUnavailable without keys."""
        accepted, unverified = self._settings.bearer, read_unverified(bearer)
        if accepted is None or unverified is None:
            return Rejected("malformed")
        rejection = await self._rejection(bearer, unverified, accepted)
        rejection = rejection or sign_in_rejection(self._settings, unverified.claims)
        if rejection is not None:
            return rejection
        rule = first_match(accepted.rules, unverified.claims) if accepted.rules else None
        if isinstance(rule, Rejected):
            return rule
        return self._verified(unverified.claims, accepted, rule)

    async def _rejection(
        self, bearer: str, unverified: Unverified, accepted: BearerSettings
    ) -> Rejected | None:
        kind = unverified.header.get("typ")
        kind = kind.lower().removeprefix("application/") if isinstance(kind, str) else kind
        if not isinstance(kind, str | None) or kind not in _TYPES:
            return Rejected("wrong_type")
        # Claims first: an expired token must not cost the verification of a signature.
        rejection = self._issued_rejection(unverified.claims, accepted.audiences)
        return rejection or await self._issuer.signed(bearer, unverified, self._settings.algorithms)

    def _verified(
        self, claims: Mapping[str, Any], accepted: BearerSettings, rule: ClaimRule | None
    ) -> Verified | Rejected:
        groups = rule.groups if rule is not None else ()
        identity = identity_of(
            self._name, self._settings, claims, more_groups=groups, warn=self._warn
        )
        if isinstance(identity, Rejected):
            return identity
        scope = BearerScope(lifetime=accepted.token_lifetime)
        if rule is not None:
            scope = BearerScope(
                clusters=rule.clusters,
                projects=rule.projects,
                read_only=rule.read_only or rule.proxy_read,
                proxy_read=rule.proxy_read,
                lifetime=rule.lifetime or accepted.token_lifetime,
                rule=rule.name,
            )
        # The same clock skew applies to the end as to the other checks.
        skew = self._settings.clock_skew.total_seconds()
        expires_at = datetime.fromtimestamp(claims["exp"] + skew, UTC)
        return Verified(identity, expires_at, direct=accepted.direct, scope=scope)
