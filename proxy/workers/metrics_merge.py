"""What several workers count, as if one process had counted it. Pure.

What they tell is added up, but for three kinds:

* What is about a process (``process_*``, ``python_*``) stays apart, with the label ``worker``.
* A gauge that is 1 where something is well is the least of all; one that tells of trouble the most.
* What only ever grows must not shrink because a worker has ended: Prometheus would take the rest
  for new. So the last that was heard of a worker still counts, after its end as well as while it
  doesn't answer. What it counted after the last scrape is lost with it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

OF_A_PROCESS = ("process_", "python_")
WELL = ("_up", "_healthy", "_settled")
TROUBLE = ("_overloaded",)
LASTING = frozenset({"counter", "histogram", "summary"})

Key = tuple[str, tuple[tuple[str, str], ...]]
"""A sample's name and labels."""


@dataclass(slots=True)
class Family:
    """A metric with its samples."""

    kind: str
    help: str
    samples: dict[Key, float] = field(default_factory=dict)

    def add(self, key: Key, value: float) -> None:
        """Put another process's value to those that are there."""
        name, known = key[0], self.samples.get(key)
        if known is None:
            self.samples[key] = value
        elif self.kind == "gauge" and name.endswith(WELL):
            self.samples[key] = min(known, value)
        elif self.kind == "gauge" and name.endswith(TROUBLE):
            self.samples[key] = max(known, value)
        else:
            self.samples[key] = known + value


class Families(dict[str, Family]):
    """Metrics by name."""

    @classmethod
    def read(cls, text: str, worker: str) -> Self:
        """What a process told. Raises ValueError where it isn't metrics."""
        families = cls()
        for metric in text_string_to_metric_families(text):
            family = families[metric.name] = Family(metric.type, metric.documentation)
            for sample in metric.samples:
                labels = sample.labels
                if metric.name.startswith(OF_A_PROCESS):
                    labels = labels | {"worker": worker}
                family.samples[sample.name, tuple(labels.items())] = sample.value
        return families

    def add(self, other: Mapping[str, Family]) -> None:
        """Put another process's to these."""
        for name, theirs in other.items():
            ours = self.setdefault(name, Family(theirs.kind, theirs.help))
            for key, value in theirs.samples.items():
                ours.add(key, value)

    def lasting(self) -> "Families":
        """Those that only ever grow, of the whole."""
        return Families(
            (name, family)
            for name, family in self.items()
            if family.kind in LASTING and not name.startswith(OF_A_PROCESS)
        )

    def collect(self) -> Iterator[Metric]:
        """As prometheus_client writes them."""
        for name, family in self.items():
            metric = Metric(name, family.help, family.kind)
            for (sample, labels), value in family.samples.items():
                metric.add_sample(sample, dict(labels), value)
            yield metric


class Account:
    """What workers have told so far. A worker has several lives, each a process."""

    def __init__(self) -> None:
        self._ended = Families()
        self._last: dict[int, tuple[int, Families]] = {}

    def total(self, told: Mapping[int, tuple[int, str]]) -> Families:
        """Take what those who answered told, by number, each with its life; what that makes."""
        for number, (life, text) in told.items():
            before = self._last.get(number)
            if before is not None and before[0] != life:
                self._ended.add(before[1].lasting())
            self._last[number] = (life, Families.read(text, str(number)))
        total = Families()
        for number, (_, families) in self._last.items():
            total.add(families if number in told else families.lasting())
        total.add(self._ended)
        return total
