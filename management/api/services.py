"""What endpoints work with: put together once, at the start."""

from dataclasses import dataclass, field
from datetime import timedelta

from aiohttp import web

from management.accounts import LocalPasswords
from management.browser_sign_in import BrowserSignIn
from management.client_address import ClientAddresses
from management.oauth.grant import Granting
from management.provider_registry import ProviderRegistry
from management.refresh import IdentityRefresh
from management.resolver import TokenResolver
from management.sealed import Sealer
from management.sessions import SessionCookies
from management.sign_in import SignIn
from management.tokens import TokenService
from store.interfaces import Store


@dataclass(frozen=True, slots=True)
class Services:
    """Everything an endpoint may use. ``ca_pem`` is what clients must trust, None: a public CA."""

    store: Store
    resolver: TokenResolver
    sign_in: SignIn
    browser: BrowserSignIn
    granting: Granting
    tokens: TokenService
    passwords: LocalPasswords
    cookies: SessionCookies
    sealer: Sealer
    external_url: str
    ca_pem: str | None
    session_ttl: timedelta
    addresses: ClientAddresses = field(default_factory=ClientAddresses)
    providers: ProviderRegistry | None = None
    refresh: IdentityRefresh | None = None


SERVICES = web.AppKey("services", Services)


def services_of(request: web.Request) -> Services:
    """The services of the application that serves ``request``."""
    return request.config_dict[SERVICES]
