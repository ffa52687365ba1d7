"""Verify each tunnel of this process before it is used, and again while it is not verified."""

import asyncio
from collections.abc import Callable, Iterable

from agent.websocket.codec import CloseCode
from config.loggers import get_logger
from management.clusters.tunnel_verification import Verdict, verify_tunnel
from management.tunnels.agent_tunnel import AgentTunnel
from management.tunnels.directory import TunnelDirectory
from management.tunnels.one_tunnel import OneTunnel
from store.agent_records import Trust
from store.changes import follow
from store.errors import StoreError
from store.interfaces import Store
from store.records import Change

AGAIN_SECONDS = 10.0
"""Interval in which tunnels that are not verified are verified again."""

MOST_AT_ONCE = 32
"""Verifications at the same time. After a restart, the agents of all clusters return together."""

SLOT_SECONDS = 3.0
"""How long one waits for another to end. API servers that do not respond delay no others."""

REFUSED = "the tunnel leads to another cluster"

_LOG = get_logger(__name__)


class TunnelVerifier:
    """Verifies tunnels in ``directory``. ``in_use`` is called when a tunnel's token has served.

    A tunnel to another cluster does not count as a use of its token: the former one would be
    revoked, with which the cluster's own agents are connected.
    """

    def __init__(
        self, store: Store, directory: TunnelDirectory, in_use: Callable[[AgentTunnel], None]
    ) -> None:
        self._store = store
        self._directory = directory
        self._in_use = in_use
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)
        self._missed = False
        self._running: dict[str, asyncio.Task[None]] = {}

    def begin(self, tunnel: AgentTunnel) -> None:
        """Verify a new tunnel. It is used when that has ended."""
        tunnel.judge(Trust.CHECKING)
        self._start(tunnel)

    async def repeat(self) -> None:
        """Verify tunnels again that are not verified, until cancelled."""
        while True:
            await asyncio.sleep(AGAIN_SECONDS)
            # Without a reason, there was nothing to compare. Only a change makes a difference.
            self._again(one for one in self._directory.local if one.reason or self._missed)
            self._missed = False

    async def follow_changes(self) -> None:
        """Verify tunnels again when their cluster has changed, until cancelled."""
        await follow(self._store.changes, self._apply)

    async def _apply(self, change: Change) -> None:
        if change.kind == "cluster" and change.key is not None:
            self._again(self._directory.local.of(change.key))
        elif change.kind == "all":
            self._missed = True  # On SQLite, any write of another process.

    def _again(self, tunnels: Iterable[AgentTunnel]) -> None:
        for one in tunnels:
            if one.trust is not Trust.VERIFIED:
                self._start(one)

    def _start(self, tunnel: AgentTunnel) -> None:
        if tunnel.id not in self._running:
            task = asyncio.create_task(self._verify(tunnel))
            self._running[tunnel.id] = task
            task.add_done_callback(lambda _: self._running.pop(tunnel.id, None))

    async def _verify(self, tunnel: AgentTunnel) -> None:
        try:
            cluster = await self._store.clusters.get(tunnel.owner.cluster_id)
        except StoreError as exc:
            _LOG.warning("tunnel not verified", tunnel=tunnel.id, error=str(exc))
            self._judge(tunnel, Verdict(Trust.UNVERIFIED, "the store is unavailable"))
            return
        if cluster is None or not tunnel.connection.usable:
            return  # It ends.
        has_slot = await self._slot()
        try:
            verdict = await verify_tunnel(cluster, OneTunnel(tunnel))
        except Exception:
            # A defect. The tunnel must not stay unused, and is verified again.
            _LOG.exception("tunnel not verified", tunnel=tunnel.id)
            verdict = Verdict(Trust.UNVERIFIED, "the verification failed; see Sekisho's log")
        finally:
            if has_slot:
                self._slots.release()
        self._judge(tunnel, verdict)

    async def _slot(self) -> bool:
        try:
            async with asyncio.timeout(SLOT_SECONDS):
                return await self._slots.acquire()
        except TimeoutError:
            return False

    def _judge(self, tunnel: AgentTunnel, verdict: Verdict) -> None:
        trust = verdict.trust
        if verdict.doubted and self._directory.is_verified(tunnel.owner.cluster_id):
            trust = Trust.REFUSED
        if trust is Trust.VERIFIED or not verdict.reason:
            self._in_use(tunnel)
        if not tunnel.connection.usable or (trust, verdict.reason) == (tunnel.trust, tunnel.reason):
            return
        log = _LOG.warning if verdict.doubted else _LOG.info
        log(
            "tunnel verified" if trust is Trust.VERIFIED else "tunnel not verified",
            tunnel=tunnel.id,
            cluster=tunnel.owner.cluster_name,
            trust=trust.value,
            reason=verdict.reason,
        )
        if trust is Trust.REFUSED and tunnel.trust is Trust.UNVERIFIED:
            # It may have connections of the pools. The agent's next tunnel has none.
            tunnel.connection.close(REFUSED, CloseCode.POLICY_VIOLATION)
        tunnel.judge(trust, verdict.reason)
        self._directory.judged(tunnel)
        if trust is Trust.VERIFIED:
            # Those that were used before may lead elsewhere.
            self._again(self._directory.local.of(tunnel.owner.cluster_id))
