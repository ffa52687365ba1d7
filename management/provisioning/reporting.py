"""What provisioning reports to metrics and to the audit log. Protocols, and counters."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from store.order_records import Order

RecordAct = Callable[[str, Order, Mapping[str, str]], None]
"""Records an act of the controller for the audit log: the action, the order, and facts."""

ObserveStep = Callable[[str, str, float], None]
"""Takes a class, a step, and the seconds from the order (or the request to delete it) to it."""


def no_record(action: str, order: Order, facts: Mapping[str, str]) -> None:
    """Record nothing."""


def no_step(class_name: str, step: str, seconds: float) -> None:
    """Observe nothing."""


@dataclass(slots=True)
class Reports:
    """Where a provisioner reports to. ``errors`` counts failed requests to the engine by kind."""

    record: RecordAct = no_record
    step: ObserveStep = no_step
    errors: Counter[str] = field(default_factory=Counter)
