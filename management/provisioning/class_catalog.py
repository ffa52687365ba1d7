"""The classes of management clusters, read when they are needed and kept for a moment.

A class that was read before is still known while its management cluster is away, so that clusters
can be ordered then.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from management.errors import ManagementError, printable
from management.kubernetes.client import ClusterClient
from management.kubernetes.cluster_client import endpoint_of
from management.kubernetes.endpoint import ClusterCredential
from management.kubernetes.errors import ClusterApiError
from management.kubernetes.validation import MalformedObject
from management.provisioning.classes import ClusterClass, cluster_class
from management.provisioning.engine import CLASSES, engine_path
from management.provisioning.engine_errors import failure_of
from store.interfaces import Store
from store.order_records import ManagementCluster

FRESH_SECONDS = 5.0
"""How long classes are not read again. A form reads them at each of its steps."""

KEPT_SECONDS = 3600.0
"""How long classes are known while the management cluster is away."""

READ_SECONDS = 10.0
"""How long a management cluster may take to return its classes."""

MAX_CLASSES = 500
"""Classes of one management cluster that are kept in memory."""


class EngineAway(ManagementError):
    """The engine does not respond. The message is one sentence for users, without an address."""


@dataclass(frozen=True, slots=True)
class KnownClasses:
    """Classes by name. ``problem`` is why they could not be read now; empty: they were."""

    classes: Mapping[str, ClusterClass] = field(default_factory=dict)
    problem: str = ""


@dataclass(slots=True)
class _Entry:
    revision: int
    known: KnownClasses = field(default_factory=KnownClasses)
    read_at: float | None = None
    tried_at: float | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class ClassCatalog:
    """Reads the classes of management clusters, at most once at a time for each."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._entries: dict[str, _Entry] = {}

    async def known(self, management: ManagementCluster) -> KnownClasses:
        """Return the classes, those read before if the management cluster is away."""
        entry = self._entries.get(management.cluster_id)
        if entry is None or entry.revision != management.revision:
            entry = self._entries[management.cluster_id] = _Entry(management.revision)
        async with entry.lock:
            now = self._clock()
            if entry.tried_at is None or now - entry.tried_at >= FRESH_SECONDS:
                await self._read(entry, management)
            return entry.known

    async def known_in(self, managements: Sequence[ManagementCluster]) -> list[KnownClasses]:
        """Return the classes of each. They are read at once, as each may not respond for long."""
        return await asyncio.gather(*(self.known(one) for one in managements))

    async def _read(self, entry: _Entry, management: ManagementCluster) -> None:
        try:
            async with asyncio.timeout(READ_SECONDS):
                found = await self._classes(management)
        except (ClusterApiError, ManagementError, TimeoutError) as exc:
            now = self._clock()
            kept = entry.read_at is not None and now - entry.read_at < KEPT_SECONDS
            entry.known = KnownClasses(entry.known.classes if kept else {}, _sentence(exc))
        else:
            entry.known, entry.read_at = KnownClasses(found), self._clock()
        entry.tried_at = self._clock()

    async def _classes(self, management: ManagementCluster) -> dict[str, ClusterClass]:
        async with await engine_client(self._store, management) as client:
            items, _ = await client.list_all(engine_path(CLASSES, management.namespace))
        found: dict[str, ClusterClass] = {}
        for item in items[:MAX_CLASSES]:
            try:
                one = cluster_class(item)
            except MalformedObject:
                continue
            found[one.name] = one
        return found


async def engine_client(store: Store, management: ManagementCluster) -> ClusterClient:
    """Return a client of Sekisho's account in a management cluster. Raises EngineAway."""
    cluster = await store.clusters.get(management.cluster_id)
    if cluster is None or cluster.removing_since is not None:
        raise EngineAway("The management cluster is being removed from Sekisho.")
    if management.unreadable:
        raise EngineAway("The stored credential for the management cluster cannot be decrypted.")
    return ClusterClient(endpoint_of(cluster), ClusterCredential(token=management.token))


def _sentence(error: Exception) -> str:
    if isinstance(error, ClusterApiError):
        return failure_of(error).message
    if isinstance(error, TimeoutError):
        return "The engine does not respond: it did not return its classes in time."
    return printable(str(error))
