"""Where workloads are read: which kinds, in which namespaces. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from management.workloads.kinds import WorkloadKind
from management.workloads.rows import Row

MAX_NAMESPACES = 50
"""Namespaces that are read one by one, for a caller who may not read the whole cluster."""

FEW_NAMESPACES = 8
"""Up to so many namespaces are read one by one even if the caller may read the whole cluster."""


@dataclass(frozen=True, slots=True)
class Place:
    """A collection to read: one kind, in a namespace or in the whole cluster (None)."""

    kind: WorkloadKind
    namespace: str | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """What a request wants: ``kinds`` in ``namespaces``, or everywhere (None).

    ``known`` are the namespaces of the caller's projects. They are read one by one if the caller
    may not read the whole cluster. ``selector`` is a label selector of the Kubernetes API.
    """

    kinds: Sequence[WorkloadKind]
    namespaces: frozenset[str] | None
    known: frozenset[str]
    selector: str | None = None

    def first(self, kind: WorkloadKind) -> list[Place]:
        """Return where to read a kind first."""
        if self.namespaces is not None and len(self.namespaces) <= FEW_NAMESPACES:
            return [Place(kind, one) for one in sorted(self.namespaces)]
        return [Place(kind)]

    def instead(self, place: Place) -> list[Place]:
        """Return where to read if the caller may not read ``place``."""
        if place.namespace is not None:
            return []
        wanted = self.known if self.namespaces is None else self.namespaces
        return [Place(place.kind, one) for one in sorted(wanted)[:MAX_NAMESPACES]]

    def left_out(self) -> int:
        """Return how many namespaces are not read one by one."""
        wanted = self.known if self.namespaces is None else self.namespaces
        return max(0, len(wanted) - MAX_NAMESPACES)

    def includes(self, row: Row) -> bool:
        """Return whether a row of the whole cluster is in the wanted namespaces."""
        return self.namespaces is None or row["namespace"] in self.namespaces


@dataclass(frozen=True, slots=True)
class Gap:
    """What could not be read, and why. ``reason`` is ``Forbidden``, ``NotFound`` or ``TooMany``."""

    place: Place
    reason: str
    message: str


def gaps_json(gaps: Iterable[Gap]) -> list[Row]:
    """Return gaps as the API shows them: one for each kind and reason."""
    found: dict[tuple[str, str], Row] = {}
    for gap in gaps:
        kind, namespace = gap.place.kind.name, gap.place.namespace
        shown = found.setdefault(
            (kind, gap.reason),
            {"kind": kind, "reason": gap.reason, "message": gap.message, "namespaces": []},
        )
        if namespace is not None:
            shown["namespaces"].append(namespace)
    return list(found.values())
