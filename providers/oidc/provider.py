"""The provider type ``oidc``: users and pipelines of an OpenID Connect issuer.

Users sign in on the issuer's pages (authorization code with PKCE, RFC 7636; or a code on another
device, RFC 8628). A refresh token refreshes them later. With ``bearer``, the issuer's tokens for
pipelines or users are credentials. The key of users and pipelines is a claim that the issuer never
reuses.
"""

from collections.abc import Callable, Mapping, Sequence

from pydantic import BaseModel

from config.address_policy import ANY_ADDRESS, AddressPolicy
from providers.base import (
    BrowserStart,
    DeviceStart,
    Outcome,
    Pending,
    Provider,
    ProviderContext,
    Rejected,
    Verified,
)
from providers.findings import Findings
from providers.http.provider import HttpProvider
from providers.oidc.backchannel_logout import OidcLogout
from providers.oidc.bearer_tokens import OidcBearers
from providers.oidc.client import OidcClient
from providers.oidc.identity import schemes_of
from providers.oidc.issuer import Issuer
from providers.oidc.settings import OidcSettings
from providers.oidc.sign_in import OidcSignIn


class OidcVerifier(HttpProvider):
    """A provider that accepts an issuer's tokens, without sign-in."""

    def __init__(
        self,
        name: str,
        settings: OidcSettings,
        clock: Callable[[], float],
        addresses: AddressPolicy = ANY_ADDRESS,
    ) -> None:
        super().__init__(name, settings, addresses)
        self._settings = settings
        self._issuer = Issuer(settings.issuer, self._http, clock)
        self._findings = Findings(name)
        self._bearers = OidcBearers(name, settings, self._issuer, warn=self._findings.add)

    async def check(self) -> None:
        """Raise ProviderUnavailable if the issuer does not respond."""
        await self._issuer.check()

    def findings(self) -> Sequence[str]:
        """Return problems of the settings that tokens have revealed."""
        return self._findings()

    def claims(self, bearer: str) -> bool:
        """Return whether ``bearer`` names the issuer."""
        return self._bearers.claims(bearer)

    async def verify(self, bearer: str) -> Verified | Rejected | None:
        """Return the token's identity, end and limits."""
        return await self._bearers.verify(bearer)


class OidcProvider(OidcVerifier):
    """A provider with sign-in by a browser."""

    def __init__(
        self,
        name: str,
        settings: OidcSettings,
        clock: Callable[[], float],
        addresses: AddressPolicy = ANY_ADDRESS,
    ) -> None:
        super().__init__(name, settings, clock, addresses)
        client = OidcClient(settings, self._issuer, self._http)
        self._sign_in = OidcSignIn(name, settings, self._issuer, client, warn=self._findings.add)
        self._logout = OidcLogout(name, settings, self._issuer)

    async def start_browser(self, redirect_uri: str) -> BrowserStart:
        """Begin a sign-in on the issuer's pages."""
        return await self._sign_in.start_browser(redirect_uri)

    async def finish_browser(
        self, redirect_uri: str, keep: Mapping[str, str], answer: Mapping[str, str]
    ) -> Outcome:
        """Return the identity that signed in on the issuer's pages."""
        return await self._sign_in.finish_browser(redirect_uri, keep, answer)

    async def refresh(self, principal_id: str, secret: str | None) -> Outcome:
        """Return the current identity."""
        return await self._sign_in.refresh(principal_id, secret)

    async def revoke_grant(self, principal_id: str, secret: str) -> None:
        """Revoke the refresh token."""
        await self._sign_in.revoke(secret)

    async def logged_out(self, logout_token: str) -> str | Rejected:
        """Return the principal whose sessions must end."""
        return await self._logout.logged_out(logout_token)


class OidcDeviceProvider(OidcProvider):
    """A provider that also has sign-in with a device code."""

    async def start_device(self) -> DeviceStart:
        """Request a device code."""
        return await self._sign_in.start_device()

    async def poll_device(self, keep: Mapping[str, str]) -> Outcome | Pending:
        """Return the identity that entered the code, or Pending."""
        return await self._sign_in.poll_device(keep)


class OidcType:
    """The entry point ``oidc``."""

    settings_model: type[BaseModel] = OidcSettings

    def schemes(self, name: str, settings: OidcSettings) -> tuple[str, ...]:
        """Return the provider's own schemes: two issuers may use the same subject."""
        return schemes_of(name)

    def create(self, name: str, settings: OidcSettings, context: ProviderContext) -> Provider:
        """Return a provider with the capabilities that its settings enable."""
        if settings.client_id is None:
            return OidcVerifier(name, settings, context.clock, context.addresses)
        kind = OidcDeviceProvider if settings.device_flow else OidcProvider
        return kind(name, settings, context.clock, context.addresses)


PROVIDER = OidcType()
