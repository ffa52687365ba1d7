"""Install the agent in a cluster that the engine made, and register the cluster through it.

The engine's kubeconfig takes the place of the administrator who would apply a manifest: it makes
Sekisho's accounts and the agent, and requests the accounts' tokens. From then on Sekisho uses the
agent's tunnel only.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from config.address_policy import DEFAULT_POLICY, AddressPolicy
from management.clusters.agent_manifest import AgentOptions, agent
from management.clusters.agent_registration import complete, reserve
from management.clusters.agent_tokens import issue_agent_token
from management.clusters.kubeconfig_import import KubeconfigAccess
from management.clusters.operation_errors import cluster_operation
from management.clusters.service import ClusterService
from management.clusters.service_account_tokens import AccountTokens, request_tokens
from management.desired_state.apply import apply_install, plan_install
from management.desired_state.installation import installation
from management.errors import ClusterOperationFailed, InvalidRequest
from management.kubernetes.client import ClusterClient
from management.kubernetes.cluster_client import endpoint_of
from management.kubernetes.manifests import path_of
from store.access_records import Binding
from store.interfaces import Store
from store.order_records import Order
from store.records import Cluster


@dataclass(frozen=True, slots=True)
class AgentSource:
    """How agents reach this server: its URL, its CA, and the image; empty: not known."""

    external_url: str
    ca_pem: str | None = None
    image: str = ""


@dataclass(slots=True)
class AgentInstaller:
    """Installs agents. One that was installed is waited for, and not installed again."""

    store: Store
    source: AgentSource
    addresses: AddressPolicy = DEFAULT_POLICY
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _installed: dict[str, AccountTokens] = field(default_factory=dict)

    async def run(
        self,
        order: Order,
        known: Cluster | None,
        access: KubeconfigAccess,
        owner: Binding | None = None,
    ) -> Cluster:
        """Register a cluster through its agent, or renew Sekisho's tokens in it. Return its record.

        A new record is stored together with ``owner``.

        Raises:
            ManagementError: the agent is not connected yet, or the cluster cannot be registered.
        """
        if known is not None and not known.is_pending:
            return await ClusterService(self.store).move(
                known, endpoint_of(known), access.credential
            )
        tokens = self._installed.get(order.id)
        if tokens is None or known is None:
            await self._forget_removed()
            known, tokens = await self._install(order, known, access, owner)
            self._installed[order.id] = tokens
        authority = access.endpoint.ca_pem
        if authority is None:
            raise ClusterOperationFailed(
                "The engine's kubeconfig has no CA, by which the agent's API server is verified."
            )
        registered = await complete(self.store, known, authority, tokens, None)
        self._installed.pop(order.id, None)
        return registered

    async def _forget_removed(self) -> None:
        """Forget the tokens for orders that were removed before their agent connected."""
        orders = await self.store.orders.list_all()
        for gone in self._installed.keys() - {one.id for one in orders if not one.is_ending}:
            del self._installed[gone]

    async def _install(
        self,
        order: Order,
        known: Cluster | None,
        access: KubeconfigAccess,
        owner: Binding | None,
    ) -> tuple[Cluster, AccountTokens]:
        """Make the accounts and the agent in the cluster. Return the pending record and tokens."""
        if not self.source.image:
            raise InvalidRequest(
                "the server does not know from where clusters pull its image: set images.registry"
            )
        if known is None:
            known, token = await reserve(
                self.store, order.name, "id", self.now(), cluster_id=order.id, owner=owner
            )
        else:
            _, token = await issue_agent_token(self.store, known.id, self.now())
        manifests = agent(
            external_url=self.source.external_url,
            ca_pem=self.source.ca_pem,
            token=token,
            options=AgentOptions(self.source.image, upgrades=True),
        )
        endpoint = replace(access.endpoint, addresses=self.addresses)
        async with cluster_operation(), ClusterClient(endpoint, access.credential) as client:
            await apply_install(client, await plan_install(client, installation()), [])
            for one in manifests:
                await client.apply(path_of(one), one)
            return known, await request_tokens(client)
