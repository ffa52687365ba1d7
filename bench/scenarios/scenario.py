"""A scenario: an operation on one server, and the figures that it measures."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.servers import Server, Workshop

PODS = "/api/v1/namespaces/default/pods"
EXEC = f"{PODS}/web/exec?command=sh"
WATCH = f"{PODS}?watch=1"

Figures = dict[str, float]
"""The figures of one round, by name."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure in the report, with its label."""

    key: str
    label: str


@dataclass(frozen=True, slots=True)
class Effort:
    """The amount of work: ``scale`` of the usual counts and seconds, and the watches."""

    scale: float = 1.0
    watches: int = 5000

    def count(self, usual: int) -> int:
        """Return a scaled count, at least ten."""
        return max(10, round(usual * self.scale))

    def seconds(self, usual: float) -> float:
        """Return a scaled time, at least a second."""
        return max(1.0, usual * self.scale)


@dataclass(frozen=True, slots=True)
class Scenario:
    """``run`` returns one round's figures; ``figures`` are those that the report compares."""

    name: str
    run: Callable[[Workshop, Server], Figures]
    figures: tuple[Figure, ...]
    restarts: bool = False
    """Whether each server restarts before it, because it measures memory or the start."""

    servers: frozenset[str] | None = None
    """The servers to measure; None: the proxy and its peers."""

    variants: bool = False
    """Whether to measure the proxy's other configurations, too."""

    ends: bool = False
    """Whether to stop each server after it, because it would disturb others."""

    rounds: int = 100
    """The maximum number of rounds."""
