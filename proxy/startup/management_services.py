"""Create the services that the management API's endpoints share."""

import importlib.metadata

from config.settings import Settings
from management.api.services import Services
from management.authentication.external_tokens import ExternalTokens
from management.authentication.token_authenticator import TokenAuthenticator
from management.http.client_address import ClientAddresses
from management.identity.browser_sign_in import BrowserSignIn
from management.identity.identity_refresh import IdentityRefresher
from management.identity.local_passwords import LocalPasswords
from management.identity.provider_registry import ProviderRegistry
from management.identity.sealed_state import StateCipher
from management.identity.session_cookies import SessionCookies
from management.identity.sign_in import SignInService
from management.identity.tokens import TokenIssuer, token_lifetimes
from management.oauth.grants import GrantServices
from management.provisioning.quotas import limits_of
from store.encryption import Keyring
from store.interfaces import Store


def create_services(
    settings: Settings,
    store: Store,
    keyring: Keyring,
    ca_pem: str | None,
    authenticator: TokenAuthenticator,
    sign_in: SignInService,
    providers: ProviderRegistry,
    refresh: IdentityRefresher,
) -> Services:
    """Return the services, without the limits of the API."""
    tokens = TokenIssuer(store.tokens, token_lifetimes(settings))
    cipher = StateCipher(keyring.derive_all("sign-in"))
    local = next((one for one in providers.values() if "local" in one.schemes), None)
    return Services(
        store=store,
        authenticator=authenticator,
        sign_in=sign_in,
        browser=BrowserSignIn(sign_in, store.nonces, cipher, settings.external_url),
        grant_services=GrantServices(
            store, tokens, sign_in, authenticator, cipher, ExternalTokens(store, sign_in)
        ),
        tokens=tokens,
        passwords=LocalPasswords(
            store,
            local.password if local else None,
            min_length=settings.login.password_min_length,
        ),
        cookies=SessionCookies(
            keyring.derive_all("cookie"),
            external_url=settings.external_url,
            max_age=int(settings.sessions.ttl.total_seconds()),
        ),
        cipher=StateCipher(keyring.derive_all("registration")),
        external_url=settings.external_url,
        ca_pem=ca_pem,
        session_ttl=settings.sessions.ttl,
        addresses=ClientAddresses(settings.server.trusted_proxies),
        providers=providers,
        refresh=refresh,
        namespaces=settings.namespaces,
        order_limits=limits_of(settings.provisioning.limits),
        cluster_addresses=settings.cluster_addresses,
        agent_image=settings.images.agent_image(importlib.metadata.version("sekisho")),
        audit_search=settings.audit.search.enabled and settings.audit.output != "none",
    )
