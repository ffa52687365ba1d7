"""Intervals and pauses of the controllers, all in seconds. Tests pass shorter ones."""

from dataclasses import dataclass, field

STORE_TURNS = 2
"""Uses of the store at a time by all status observers of a process. The others wait here, not for
a connection of the store: requests of users need those, and they wait in the order of arrival."""


@dataclass(frozen=True, slots=True)
class InformerTiming:
    """Timing of one informer."""

    first_pause: float = 0.5
    """Pause before a watch that failed or ended begins again. Each pause doubles the last one."""

    last_pause: float = 30.0

    absent_pause: float = 300.0
    """Pause before an API that the cluster does not have is requested again."""

    relist_seconds: float = 1800.0
    """How often, about, a collection is listed again, in case its watches missed something."""


@dataclass(frozen=True, slots=True)
class ReconcilerTiming:
    """Timing of the reconciler of one cluster."""

    gather_seconds: float = 0.05
    """How long changes are collected before a reconciliation."""

    first_pause: float = 1.0
    """Pause before a failed reconciliation is retried. Each pause doubles the last one."""

    last_pause: float = 60.0

    informer: InformerTiming = field(default_factory=InformerTiming)


@dataclass(frozen=True, slots=True)
class StatusTiming:
    """Timing of the status observer of one cluster."""

    probe_seconds: float = 20.0
    """Interval of the requests that check whether the cluster responds."""

    longest_probe_seconds: float = 60.0
    """Longest interval of these while it does not. Each one doubles the last one."""

    write_seconds: float = 2.0
    """Shortest interval between updates of the stored status."""

    longest_write_pause: float = 60.0
    """Longest pause before a failed update is retried. The first one is ``write_seconds``."""

    seen_seconds: float = 60.0
    """How often the time of the last response is stored if nothing else has changed."""

    usage_seconds: float = 60.0
    """Interval of requests to metrics-server, which collects no more often."""

    events_seconds: float = 30.0
    """Shortest interval between reports of the newest events."""

    deprecations_seconds: float = 3600.0
    """Interval, about, of reading the metrics of API servers, which are megabytes."""

    first_deprecations_seconds: float = 300.0
    """Longest pause before the first of these: a replica that starts may lead many clusters."""

    informer: InformerTiming = field(default_factory=InformerTiming)


@dataclass(frozen=True, slots=True)
class AgentTiming:
    """Timing of the upgrade of one cluster's agent."""

    spread_seconds: float = 300.0
    """The first check of each cluster is at random within this time."""

    check_seconds: float = 60.0
    """Interval of checks. Without an older agent, a check sends nothing."""


@dataclass(frozen=True, slots=True)
class ControllerTiming:
    """Timing of all controllers of a replica."""

    first_restart: float = 5.0
    """Pause before a cluster that failed unexpectedly is started again. Each pause doubles."""

    last_restart: float = 300.0

    first_removal: float = 15.0
    """Pause before the removal of an unreachable cluster is tried. Each pause doubles."""

    last_removal: float = 300.0

    first_without_memory: float = 60.0
    """How long no object is kept of a cluster that was dropped because others need its memory. Each
    such time doubles the last one."""

    last_without_memory: float = 900.0

    reconciler: ReconcilerTiming = field(default_factory=ReconcilerTiming)
    status: StatusTiming = field(default_factory=StatusTiming)
    agent: AgentTiming = field(default_factory=AgentTiming)
