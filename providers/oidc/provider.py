"""The provider type ``oidc``: people and pipelines of an OpenID Connect issuer.

People sign in at the issuer's own pages (authorization code with PKCE, RFC 7636; or a code typed on
another device, RFC 8628) and are asked about later by a refresh token. Tokens that the issuer gives
to pipelines, or to people, are credentials where ``bearer`` says so. Both are keyed by a claim that
the issuer never gives to another.
"""

from collections.abc import Callable, Mapping

from pydantic import BaseModel

from providers.base import (
    BrowserStart,
    DeviceStart,
    Outcome,
    Pending,
    Provider,
    ProviderContext,
    Refused,
    Verified,
)
from providers.http_client import HttpClient
from providers.oidc_bearers import OidcBearers
from providers.oidc_client import OidcClient
from providers.oidc_identity import schemes_of
from providers.oidc_issuer import Issuer
from providers.oidc_logout import OidcLogout
from providers.oidc_settings import OidcSettings
from providers.oidc_sign_in import OidcSignIn


class OidcVerifier:
    """Takes an issuer's tokens; nobody signs in there."""

    def __init__(self, name: str, settings: OidcSettings, clock: Callable[[], float]) -> None:
        self._name = name
        self._settings = settings
        self._http = HttpClient(
            ca_file=settings.ca_file,
            timeout_seconds=settings.timeout.total_seconds(),
            proxy=settings.proxy,
        )
        self._issuer = Issuer(settings.issuer, self._http, clock)
        self._bearers = OidcBearers(name, settings, self._issuer)

    @property
    def name(self) -> str:
        """What the operator called it."""
        return self._name

    async def start(self) -> None:
        """Get ready; the issuer is asked when it is needed."""
        await self._http.start()

    async def close(self) -> None:
        """Let go of every connection."""
        await self._http.close()

    async def check(self) -> None:
        """Raise ProviderUnavailable where the issuer can't be asked."""
        await self._issuer.check()

    def claims(self, bearer: str) -> bool:
        """Whether it says that the issuer has issued it."""
        return self._bearers.claims(bearer)

    async def verify(self, bearer: str) -> Verified | Refused | None:
        """Whose it is, how long, and for what."""
        return await self._bearers.verify(bearer)


class OidcProvider(OidcVerifier):
    """Signs people in besides."""

    def __init__(self, name: str, settings: OidcSettings, clock: Callable[[], float]) -> None:
        super().__init__(name, settings, clock)
        client = OidcClient(settings, self._issuer, self._http)
        self._sign_in = OidcSignIn(name, settings, self._issuer, client)
        self._logout = OidcLogout(name, settings, self._issuer)

    async def start_browser(self, redirect_uri: str) -> BrowserStart:
        """Begin a sign-in at the issuer's pages."""
        return await self._sign_in.start_browser(redirect_uri)

    async def finish_browser(
        self, redirect_uri: str, keep: Mapping[str, str], answer: Mapping[str, str]
    ) -> Outcome:
        """Who came back from them."""
        return await self._sign_in.finish_browser(redirect_uri, keep, answer)

    async def refresh(self, principal_id: str, secret: str | None) -> Outcome:
        """The identity as it is now."""
        return await self._sign_in.refresh(principal_id, secret)

    async def revoke_grant(self, principal_id: str, secret: str) -> None:
        """Give the refresh token back."""
        await self._sign_in.revoke(secret)

    async def logged_out(self, logout_token: str) -> str | Refused:
        """Whose sessions end."""
        return await self._logout.logged_out(logout_token)


class OidcDeviceProvider(OidcProvider):
    """Takes codes typed on another device, too."""

    async def start_device(self) -> DeviceStart:
        """Ask for a code."""
        return await self._sign_in.start_device()

    async def poll_device(self, keep: Mapping[str, str]) -> Outcome | Pending:
        """Who typed it, if somebody has."""
        return await self._sign_in.poll_device(keep)


class OidcType:
    """The entry point."""

    settings_model: type[BaseModel] = OidcSettings

    def schemes(self, name: str, settings: OidcSettings) -> tuple[str, ...]:
        """Two issuers may give one subject to two people, so each provider has its own."""
        return schemes_of(name)

    def create(self, name: str, settings: OidcSettings, context: ProviderContext) -> Provider:
        """A provider that can what its settings say."""
        if settings.client_id is None:
            return OidcVerifier(name, settings, context.clock)
        kind = OidcDeviceProvider if settings.device_flow else OidcProvider
        return kind(name, settings, context.clock)


PROVIDER = OidcType()
