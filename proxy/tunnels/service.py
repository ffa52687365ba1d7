"""The tunnels of this process: their directory, their endpoint, and the tasks for them."""

from management.http.client_address import ClientAddresses
from management.http.request_id import RequestIds
from management.tunnels.agent_tunnel import AgentTunnel
from management.tunnels.directory import TunnelDirectory
from management.tunnels.revocation import TunnelRevocation
from proxy.background.tasks import BackgroundTasks
from proxy.limits.anonymous import AnonymousLimiter
from proxy.logs.access_log import AccessLog
from proxy.tunnels.admission import TunnelAdmission
from proxy.tunnels.endpoint import TunnelEndpoint
from proxy.tunnels.records import Observer, TunnelRecords
from proxy.tunnels.token_uses import TokenUses
from proxy.tunnels.verification import TunnelVerifier
from store.interfaces import Store

STOPPING = "the server stops"


class TunnelService:
    """Owns the tunnels of this process. ``directory`` has them, ``endpoint`` accepts them."""

    def __init__(
        self,
        store: Store,
        directory: TunnelDirectory,
        anonymous: AnonymousLimiter,
        addresses: ClientAddresses,
        *,
        access_log: AccessLog | None,
        observer: Observer | None,
    ) -> None:
        self._directory = directory
        self._revocation = TunnelRevocation(store, directory.local)
        self._uses = TokenUses(store.agent_tokens, self._revocation)
        self._verifier = TunnelVerifier(store, directory, self._uses.used)
        self.records = TunnelRecords(directory.local, access_log, observer)
        self.endpoint = TunnelEndpoint(
            TunnelAdmission(store, anonymous),
            self.records,
            directory,
            self._on_ready,
            RequestIds(),
            addresses,
        )

    def start(self, background: BackgroundTasks) -> None:
        """Start the tasks for tunnels."""
        background.keep("tunnels", self._directory.follow_changes)
        background.keep("tunnels-suspended", self._directory.suspensions.watch)
        background.keep("tunnels-announced", self._directory.announcer.run)
        background.keep("tunnels-tokens", self._uses.run)
        background.keep("tunnels-revoked", self._revocation.follow_changes)
        background.keep("tunnels-verified", self._verifier.follow_changes)
        background.keep("tunnels-verified-again", self._verifier.repeat)

    def drain(self) -> None:
        """Ask all agents to open tunnels elsewhere: the server stops."""
        self._directory.drain(STOPPING)

    def _on_ready(self, tunnel: AgentTunnel) -> None:
        self.records.opened(tunnel)
        self._directory.add(tunnel)
        self._verifier.begin(tunnel)
        self._uses.opened(tunnel)
