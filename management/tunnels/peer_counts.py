"""Counts of the streams between processes, for metrics."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class PeerCounts:
    """Streams in one direction: those that were opened, and failures by the kind of DialFailed."""

    opened: int = 0
    failed: Counter[str] = field(default_factory=Counter)
