"""Read userinfo: JSON, or a JWT that the issuer has signed (OpenID Connect Core §5.3.2)."""

from collections.abc import Callable
from typing import Any

from providers.base import ProviderUnavailable, Rejected
from providers.http.client import HttpResponse, retry_after
from providers.jwt.unverified import MAX_ID_TOKEN_BYTES, read_unverified
from providers.jwt.validation import check_for_us
from providers.oidc.issuer import Issuer
from providers.oidc.settings import OidcSettings

ACCEPT = "application/json, application/jwt;q=0.9"


class UserinfoReader:
    """Reads the userinfo of one issuer."""

    def __init__(
        self, settings: OidcSettings, issuer: Issuer, wall_clock: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._issuer = issuer
        self._wall_clock = wall_clock

    async def read(self, response: HttpResponse) -> dict[str, Any] | Rejected:
        """Return the claims. Raises ProviderUnavailable if the issuer did not decide."""
        if response.status in {401, 403}:
            return Rejected("userinfo_refused")
        if response.status != 200:
            raise ProviderUnavailable(
                f"userinfo responded {response.status}", retry_after=retry_after(response.headers)
            )
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return await self._signed(response) if kind == "application/jwt" else response.object()

    async def _signed(self, response: HttpResponse) -> dict[str, Any]:
        token = response.body.decode("ascii", "replace").strip()
        if token.count(".") == 4:
            raise ProviderUnavailable("userinfo is encrypted: let the issuer only sign it")
        unverified = read_unverified(token, limit=MAX_ID_TOKEN_BYTES)
        if unverified is None:
            raise ProviderUnavailable("userinfo is not a JWT, despite its Content-Type")
        # "iss" and "aud" are optional. If they are present, they must be correct.
        rejection = check_for_us(
            unverified.claims,
            issuer=self._settings.issuer,
            audience=self._settings.client_id or "",
            now=self._wall_clock(),
            skew=self._settings.clock_skew.total_seconds(),
        ) or await self._issuer.signed(token, unverified, self._settings.algorithms)
        if rejection is not None:
            raise ProviderUnavailable(f"userinfo is not correctly signed: {rejection.reason}")
        return unverified.claims
