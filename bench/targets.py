"""Targets of the proxy, and whether this run reached them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.readings import Reading, figure, ratios
from bench.scenarios.bulk import DOWN
from bench.scenarios.memory import STALL
from bench.scenarios.requests import FRESH, SATURATION, at_rate
from bench.scenarios.sessions import CHAT, SESSION, STREAM
from bench.scenarios.start import BIG, BIG_START
from bench.scenarios.watches import WATCHES
from bench.scenarios.workers import CAPPED, TWO

GATE = "sekisho"

Measure = Callable[[Sequence[Reading]], list[float]]


@dataclass(frozen=True, slots=True)
class Target:
    """A figure, its maximum (or ``at_least``), and a moonshot value."""

    text: str
    target: float
    moonshot: float | None
    measure: Measure
    at_least: bool = False

    def reached(self, measured: float, wanted: float) -> bool:
        """Return whether a value meets a limit."""
        return measured >= wanted if self.at_least else measured <= wanted

    def verdict(self, measured: float) -> str:
        """Return the result as a word."""
        if self.moonshot is not None and self.reached(measured, self.moonshot):
            return "moonshot"
        return "met" if self.reached(measured, self.target) else "missed"

    def shown(self, wanted: float | None) -> str:
        """Return a limit with its sign."""
        return "–" if wanted is None else f"{'≥' if self.at_least else '≤'} {wanted:g}"


def against(peer: str, scenario: str, key: str) -> Measure:
    """Return the proxy's figure divided by a peer's."""
    return lambda readings: ratios(
        figure(readings, scenario, GATE, key), figure(readings, scenario, peer, key)
    )


def own(scenario: str, key: str, server: str = GATE) -> Measure:
    """Return the proxy's figure."""
    return lambda readings: [*figure(readings, scenario, server, key).values()]


def capacity(readings: Sequence[Reading]) -> list[float]:
    """Return the throughput of two workers by one: two, corrected by the cost per request."""
    one = figure(readings, SATURATION, GATE, "cpu_us")
    two = figure(readings, SATURATION, TWO, "cpu_us")
    return [2 * ratio for ratio in ratios(one, two)]


def throughput(readings: Sequence[Reading]) -> list[float]:
    """Return the requests a second of two workers by one, each with a share of a core."""
    one = figure(readings, CAPPED, GATE, "per_s")
    return ratios(figure(readings, CAPPED, TWO, "per_s"), one)


TARGETS = (
    Target("CPU per small GET, ÷ Go", 0.65, 0.5, against("go", SATURATION, "cpu_us")),
    Target("CPU per small GET, ÷ nginx", 1.25, 1.0, against("nginx", SATURATION, "cpu_us")),
    Target(
        "p99 added at 2,000 req/s, ÷ Go", 1.0, 0.6, against("go", at_rate(2000), "added_p99_us")
    ),
    Target("CPU per request on fresh TLS, ÷ Go", 1.0, 0.7, against("go", FRESH, "cpu_us")),
    Target("CPU per exec session, ms", 2.0, 1.0, own(SESSION, "cpu_ms")),
    Target("CPU per byte streamed, ns", 4.0, 2.0, own(STREAM, "cpu_ns_per_byte")),
    Target("20 MB list throughput, ÷ nginx", 0.8, 1.0, against("nginx", DOWN, "mb_per_s"), True),
    Target("KiB per idle watch, ÷ Go", 0.85, 0.65, against("go", WATCHES, "kib_per_watch")),
    Target("exec throughput, ÷ Go", 1.0, 1.5, against("go", STREAM, "mb_per_s"), True),
    Target("port-forward messages/s, ÷ Go", 1.0, 1.5, against("go", CHAT, "messages_per_s"), True),
    Target("2 workers ÷ 1, by CPU per request", 1.8, 1.95, capacity, True),
    Target("2 workers ÷ 1, requests/s, 1/5 core each", 1.8, 1.95, throughput, True),
    Target("Start, 10,000 users, 1,000 clusters, s", 2.0, 1.0, own(BIG_START, "ready_s", BIG)),
    Target("1 GB list to a client that stops, MiB", 1.0, None, own(STALL, "mib_each")),
)
