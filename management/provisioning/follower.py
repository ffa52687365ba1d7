"""What a provisioner remembers about one order between its passes. Pure.

All of it may be lost: another replica finds out again, by the same attempts.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from management.errors import ManagementError
from management.kubernetes.errors import ClusterApiError
from management.kubernetes.validation import mapping, mappings, moment
from management.provisioning.engine_errors import ForeignCluster, failure_of, pause_seconds
from management.provisioning.steps import Step

REJECTED_AFTER = timedelta(seconds=20)
"""How long an imported cluster rejects Sekisho's credentials before it is imported again."""

UNREACHABLE_AFTER = timedelta(seconds=30)
"""How long an imported cluster is unreachable before the engine's kubeconfig is read again: its
address may have changed."""

REFUSED_SECONDS = 300.0
"""How long after a refusal the same order is sent again: an operator may have removed the cause."""

AGAIN_SECONDS = 60.0
"""Shortest interval between two imports of a cluster that was imported before."""

STORED_AT_ONCE = 20
"""Observations of one order that are stored without a pause. A creation has about fifteen."""

STORED_SECONDS = 2.0
"""Time after which another one may be stored. Each is a transaction, and news for every replica,
and an engine could report something else with each event."""


INTERNAL = "Sekisho cannot go on with it now, and tries again; its log has the reason."
"""What users read of an error that is not for them, such as one of the store."""


@dataclass(frozen=True, slots=True)
class Pause:
    """When a step for one revision of an order may be repeated. Other revisions do not wait.

    ``failing_since`` None: it has succeeded.
    """

    revision: int
    next_at: float
    failing_since: float | None


@dataclass(slots=True)
class Follower:
    """One order's running task, its failures, and when it may be tried again.

    Times are seconds of the event loop's clock. Each step has a pause of its own in ``pauses``: two
    steps that fail in turn would otherwise end each other's pause. ``import_problem`` None: no
    import was tried. ``left``: the right to read a released order's kubeconfig is removed.
    ``stored_until`` is when the observations that were stored will no longer count. ``engine_uid``
    is that of the order's Cluster.
    """

    task: asyncio.Task[None] | None = None
    pauses: dict[Step, Pause] = field(default_factory=dict)
    refused_revision: int | None = None
    refusal: str = ""
    taken: str = ""
    away: str = ""
    import_problem: str | None = None
    has_rights: bool = False
    left: bool = False
    rejected_since: datetime | None = None
    unreachable_since: datetime | None = None
    stored_until: float = 0.0
    engine_uid: str | None = None

    def meet(self, engine_uid: str | None) -> None:
        """Forget what was found about another Cluster, if the order is attached to one now."""
        if engine_uid != self.engine_uid:
            self.engine_uid, self.taken = engine_uid, ""
            self.pauses.clear()

    def may_store(self, now: float) -> bool:
        """Return whether an observation may be stored now, and count it if so."""
        used_until = max(self.stored_until, now) + STORED_SECONDS
        if used_until > now + STORED_AT_ONCE * STORED_SECONDS:
            return False
        self.stored_until = used_until
        return True

    def succeeded(self, step: Step, revision: int, now: float) -> None:
        """Record that a step has succeeded."""
        self.pauses.pop(step, None)
        self.away = self.taken = ""
        if step == "apply":
            self.refused_revision, self.refusal = None, ""
        if step == "import":
            self.import_problem = None
            self.rejected_since = self.unreachable_since = None
            self.pauses[step] = Pause(revision, now + AGAIN_SECONDS, None)

    def failed(self, step: Step, error: Exception, revision: int, now: float) -> str:
        """Record that a step has failed. Return the kind of failure, for metrics."""
        before = self.pauses.get(step)
        since = before.failing_since if before is not None and before.revision == revision else None
        since = now if since is None else since
        self.pauses[step] = Pause(revision, now + pause_seconds(now - since), since)
        if isinstance(error, ForeignCluster):
            self.taken = str(error)
            return "foreign"
        failure = failure_of(error) if isinstance(error, ClusterApiError) else None
        if failure is not None:
            message = failure.stored
        else:
            message = str(error) if isinstance(error, ManagementError) else INTERNAL
        if step == "import":
            self.import_problem = message
            self.has_rights = False  # They may be gone: they are given again before the next one.
        elif failure is not None and failure.outcome == "foreign":
            self.taken = message
        elif failure is not None and failure.outcome == "refused" and step == "apply":
            self.refused_revision, self.refusal, self.away = revision, failure.message, ""
            self.pauses[step] = Pause(revision, now + REFUSED_SECONDS, since)
        else:
            self.away = message
        return failure.kind if failure is not None else "sekisho"

    def is_refused(self, revision: int, now: float) -> bool:
        """Return whether the engine has refused a revision, and not long ago."""
        return self.refused_revision == revision and now < self.next_at("apply")

    def may_run(self, step: Step, revision: int, now: float) -> bool:
        """Return whether a step may begin now."""
        pause = self.pauses.get(step)
        is_due = pause is None or pause.revision != revision or now >= pause.next_at
        return self.task is None and is_due

    def next_at(self, step: Step) -> float:
        """Return when a step may be repeated; 0: it does not wait."""
        pause = self.pauses.get(step)
        return 0.0 if pause is None else pause.next_at

    def read_status(self, status: Mapping[str, Any]) -> None:
        """Take the status of the imported cluster, which its observer stores."""
        conditions = {str(one.get("type")): one for one in mappings(status.get("conditions"))}
        self.rejected_since = _false_since(conditions.get("Authenticated"))
        self.unreachable_since = _false_since(conditions.get("Reachable"))

    def rejects_sekisho(self) -> bool:
        """Return whether the imported cluster does not accept Sekisho's credentials."""
        return self.rejected_since is not None

    def wants_import(self, now: datetime) -> bool:
        """Return whether an imported cluster must be imported again, or its address checked."""
        return (
            self.rejected_since is not None and now - self.rejected_since >= REJECTED_AFTER
        ) or (
            self.unreachable_since is not None and now - self.unreachable_since >= UNREACHABLE_AFTER
        )


def _false_since(condition: object) -> datetime | None:
    found = mapping(condition)
    if found.get("status") != "False":
        return None
    return moment(found.get("since"))
