"""Merge the metrics of several workers as if one process had counted. Pure.

Values are added, with three exceptions:

* Metrics of a process (``process_*``, ``python_*``) are not merged; they get the label ``worker``.
* Of gauges that are 1 for a healthy state, and of times, the least value is used; of
  gauges that are 1 for trouble or always, and of ages and round-trip times, the greatest.
* Counters must not decrease when a worker ends, because Prometheus reads a decrease as a reset. The
  last scraped values of a worker therefore count after its end, and while it does not respond. What
  it counted after its last scrape is lost.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

PROCESS_PREFIXES = ("process_", "python_")
LEAST = ("_up", "_healthy", "_synced", "_condition", "_timestamp_seconds")
GREATEST = ("_overloaded", "_rtt_seconds", "_age_seconds", "_info", "_leader")
CUMULATIVE = frozenset({"counter", "histogram", "summary"})

Key = tuple[str, tuple[tuple[str, str], ...]]
"""Name and labels of a sample."""


@dataclass(slots=True)
class Family:
    """A metric and its samples."""

    kind: str
    help: str
    samples: dict[Key, float] = field(default_factory=dict)

    def add(self, key: Key, value: float) -> None:
        """Merge the value of another process into the sample."""
        name, present = key[0], self.samples.get(key)
        if present is None:
            self.samples[key] = value
        elif self.kind == "gauge" and name.endswith(LEAST):
            self.samples[key] = min(present, value)
        elif self.kind == "gauge" and name.endswith(GREATEST):
            self.samples[key] = max(present, value)
        else:
            self.samples[key] = present + value


class Families(dict[str, Family]):
    """Metrics by name."""

    @classmethod
    def read(cls, text: str, worker: str) -> Self:
        """Parse the metrics of a process. Raises ValueError for any other text."""
        families = cls()
        for metric in text_string_to_metric_families(text):
            family = families[metric.name] = Family(metric.type, metric.documentation)
            for sample in metric.samples:
                labels = sample.labels
                if metric.name.startswith(PROCESS_PREFIXES):
                    labels = labels | {"worker": worker}
                family.samples[sample.name, tuple(labels.items())] = sample.value
        return families

    def add(self, other: Mapping[str, Family]) -> None:
        """Merge the metrics of another process into these."""
        for name, family in other.items():
            merged = self.setdefault(name, Family(family.kind, family.help))
            for key, value in family.samples.items():
                merged.add(key, value)

    def cumulative(self) -> "Families":
        """Return the metrics that never decrease, without those of a process."""
        return Families(
            (name, family)
            for name, family in self.items()
            if family.kind in CUMULATIVE and not name.startswith(PROCESS_PREFIXES)
        )

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics for prometheus_client."""
        for name, family in self.items():
            metric = Metric(name, family.help, family.kind)
            for (sample, labels), value in family.samples.items():
                metric.add_sample(sample, dict(labels), value)
            yield metric


class MetricsAccumulator:
    """All metrics that workers have reported, including those of processes that ended."""

    def __init__(self) -> None:
        self._ended = Families()
        self._last: dict[int, tuple[int, Families]] = {}

    def total(self, scraped: Mapping[int, tuple[int, str]]) -> Families:
        """Add a scrape, by worker number, and return the merged metrics.

        The number beside each text counts the worker's starts: it changes with the process.
        """
        for number, (starts, text) in scraped.items():
            before = self._last.get(number)
            if before is not None and before[0] != starts:
                self._ended.add(before[1].cumulative())
            self._last[number] = (starts, Families.read(text, str(number)))
        total = Families()
        for number, (_, families) in self._last.items():
            total.add(families if number in scraped else families.cumulative())
        total.add(self._ended)
        return total
