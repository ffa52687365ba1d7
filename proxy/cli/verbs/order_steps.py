"""What the state of an order means, for tables and for commands that wait. Pure.

The words are the API's and the engine's: nothing is translated.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from proxy.cli.output.columns import Item

READY = "ready"
_STOPPED = frozenset({"refused", "foreign", "deleting", "released"})
"""States that an order leaves only after another command."""


@dataclass(frozen=True, slots=True)
class Step:
    """One state of an order, as the server last said it."""

    state: str
    message: str = ""
    slow: bool = False
    engine_away: bool = False

    @property
    def is_stopped(self) -> bool:
        """Whether the order will not become ready without another command."""
        return self.state in _STOPPED

    def __str__(self) -> str:
        notes = [
            note
            for note, holds in (
                ("slower than usual", self.slow),
                ("the engine does not respond", self.engine_away),
            )
            if holds
        ]
        state = f"{self.state} ({', '.join(notes)})" if notes else self.state
        return f"{state}: {self.message}" if self.message else state


def order_of(cluster: Item) -> Item | None:
    """Return what a cluster says about its order; None if it was not ordered."""
    found = cluster.get("provision")
    return found if isinstance(found, Mapping) else None


def step_of(cluster: Item) -> Step | None:
    """Return the present step of a cluster's order; None if it was not ordered."""
    order = order_of(cluster)
    if order is None:
        return None
    return Step(
        str(order.get("state") or ""),
        str(order.get("message") or ""),
        order.get("slow") is True,
        bool(order.get("engine_away")),
    )


def remarks_of(cluster: Item) -> list[str]:
    """Return what the engine remarks about an order: its conditions that have a message."""
    order = order_of(cluster) or {}
    return [
        f"{one.get('reason') or one.get('type')}: {one['message']}"
        for one in order.get("conditions") or ()
        if isinstance(one, Mapping) and one.get("message")
    ]
