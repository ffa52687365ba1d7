"""What a scenario is: something done to one server, and the figures that come of it."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.servers import Server, Workshop

PODS = "/api/v1/namespaces/default/pods"
EXEC = f"{PODS}/web/exec?command=sh"
WATCH = f"{PODS}?watch=1"

Figures = dict[str, float]
"""What one round gave, by name."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that the report shows, in the words of its reader."""

    key: str
    label: str


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is done: ``scale`` of the usual counts and seconds, and so many watches."""

    scale: float = 1.0
    watches: int = 5000

    def count(self, usual: int) -> int:
        """So many of something, and at least ten."""
        return max(10, round(usual * self.scale))

    def seconds(self, usual: float) -> float:
        """So long, and at least a second."""
        return max(1.0, usual * self.scale)


@dataclass(frozen=True, slots=True)
class Scenario:
    """``run`` gives one round's figures; ``figures`` are those that the report compares."""

    name: str
    run: Callable[[Workshop, Server], Figures]
    figures: tuple[Figure, ...]
    anew: bool = False
    """Each server is started again before it, because it looks at memory, or at the start."""

    servers: frozenset[str] | None = None
    """Which it is for; None: the gate and its peers."""

    variants: bool = False
    """Whether the gate's other configurations are put through it, too."""

    ends: bool = False
    """Whether each server is ended after it, because it would be in the way of others."""

    rounds: int = 100
    """How often at the most."""
