"""Write planned changes to one cluster, several at a time."""

import asyncio

from config.loggers import get_logger
from management.controllers.leader_election import Leadership
from management.controllers.observed_objects import ObservedObjects
from management.controllers.outage import is_outage
from management.desired_state.apply import ApplyResult, apply_one
from management.desired_state.diff import ObjectAction, ObjectChange
from management.kubernetes.client import ClusterClient
from management.kubernetes.errors import ClusterApiError

MAX_CONCURRENT_WRITES = 8
"""Concurrent writes in one cluster."""

_LOG = get_logger(__name__)


class ChangeWriter:
    """Writes changes while this replica leads the cluster. ``writes`` counts the attempts."""

    def __init__(
        self, client: ClusterClient, objects: ObservedObjects, leadership: Leadership
    ) -> None:
        self._client = client
        self._objects = objects
        self._leadership = leadership
        self.writes = 0

    async def apply(
        self, changes: list[ObjectChange], namespace_uid: str, result: ApplyResult
    ) -> None:
        """Make changes in their order of kinds, those of one kind concurrently.

        Raises:
            LeadershipLost: another replica leads the cluster now.
        """
        slots = asyncio.Semaphore(MAX_CONCURRENT_WRITES)

        async def apply_in_slot(change: ObjectChange) -> None:
            async with slots:
                # An unreachable cluster would fail each of thousands of writes.
                if not result.unreachable:
                    await self._apply_one(change, namespace_uid, result)

        for batch in _batches(changes):
            async with asyncio.TaskGroup() as group:
                for change in batch:
                    group.create_task(apply_in_slot(change))

    async def _apply_one(
        self, change: ObjectChange, namespace_uid: str, result: ApplyResult
    ) -> None:
        self._leadership.require()
        self.writes += 1
        try:
            stored = await apply_one(self._client, change, namespace_uid)
        except ClusterApiError as exc:
            result.unreachable = result.unreachable or await is_outage(self._client, exc)
            result.failed.append(f"{change.action} {change.title}: {exc}")
            return
        except Exception as exc:  # One object must not prevent the other changes.
            _LOG.exception(
                "object not reconciled",
                cluster=self._leadership.cluster_name,
                object=change.title,
            )
            result.failed.append(f"{change.action} {change.title}: {type(exc).__name__}")
            return
        kind = change.manifest["kind"]
        if stored is None:
            self._objects.drop(kind, change.manifest)
        else:
            self._objects.put(kind, stored)
        result.done.append(f"{change.action} {change.title}")


def _batches(changes: list[ObjectChange]) -> list[list[ObjectChange]]:
    """Split changes into runs of one kind, deletions apart. A run may be made concurrently."""
    batches: list[list[ObjectChange]] = []
    last: tuple[str, bool] | None = None
    for change in changes:
        current = change.manifest["kind"], change.action is ObjectAction.DELETE
        if current != last:
            batches.append([])
            last = current
        batches[-1].append(change)
    return batches
