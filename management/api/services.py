"""The services that endpoints use, built once at start."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from aiohttp import web

from config.address_policy import DEFAULT_POLICY, AddressPolicy
from config.namespace_settings import NamespaceSettings
from management.access.rbac_reader import RbacReader
from management.api.request_limits import RequestLimits, Unlimited
from management.api.server_state import ServerState
from management.authentication.token_authenticator import TokenAuthenticator
from management.caller_client.gate import Gate, no_gate
from management.clusters.quota_usage import QuotaUsage
from management.http.client_address import ClientAddresses
from management.identity.browser_sign_in import BrowserSignIn
from management.identity.identity_refresh import IdentityRefresher
from management.identity.local_passwords import LocalPasswords
from management.identity.provider_registry import ProviderRegistry
from management.identity.sealed_state import StateCipher
from management.identity.session_cookies import SessionCookies
from management.identity.sign_in import SignInService
from management.identity.tokens import TokenIssuer
from management.oauth.grants import GrantServices
from management.provisioning.class_catalog import ClassCatalog
from management.provisioning.orders import OrderService
from management.provisioning.quotas import DEFAULT_LIMITS
from management.tunnels.connected_agents import ConnectedAgent, no_agents
from store.interfaces import Store
from store.order_records import OrderLimits


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that endpoints use. ``ca_pem`` is what clients must trust; None: a public CA."""

    store: Store
    authenticator: TokenAuthenticator
    sign_in: SignInService
    browser: BrowserSignIn
    grant_services: GrantServices
    tokens: TokenIssuer
    passwords: LocalPasswords
    cookies: SessionCookies
    cipher: StateCipher
    external_url: str
    ca_pem: str | None
    session_ttl: timedelta
    addresses: ClientAddresses = field(default_factory=ClientAddresses)
    providers: ProviderRegistry | None = None
    refresh: IdentityRefresher | None = None
    limits: RequestLimits = field(default_factory=Unlimited)
    namespaces: NamespaceSettings = field(default_factory=NamespaceSettings)
    rbac: RbacReader = field(default_factory=RbacReader)
    cluster_addresses: AddressPolicy = DEFAULT_POLICY
    """The addresses that clusters imported over the API may have."""
    agent_image: str = "sekisho"
    """The image of agents, and of the Jobs that register clusters; empty: not known."""
    audit_search: bool = True
    """Whether audit events are stored for searches."""

    order_limits: OrderLimits = DEFAULT_LIMITS
    """The limits of orders where a management cluster has none of its own."""

    orders: OrderService = field(init=False)
    """Places and changes orders of clusters, and knows the classes."""

    usage: QuotaUsage = field(default_factory=QuotaUsage)
    state: Callable[[], ServerState] = ServerState
    """Returns the state of this process."""

    agents: Callable[[str], Sequence[ConnectedAgent]] = no_agents
    """Returns the connected agents of a cluster."""

    gate: Gate = field(default_factory=lambda: Gate(no_gate))
    """The way to clusters in a caller's name."""

    def __post_init__(self) -> None:
        orders = OrderService(self.store, ClassCatalog(self.store), self.order_limits)
        object.__setattr__(self, "orders", orders)


SERVICES = web.AppKey("services", Services)


def services_of(request: web.Request) -> Services:
    """Return the services of the application that serves ``request``."""
    return request.config_dict[SERVICES]
