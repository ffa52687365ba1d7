"""Small requests: CPU cost and added latency."""

from bench.scenarios.client import load, wrk
from bench.scenarios.scenario import PODS, Effort, Figure, Figures, Scenario
from bench.servers import Server, Workshop

SATURATION = "small GET"
FRESH = "fresh TLS"
RATES = (200, 2000)

_LATENCIES = (
    Figure("added_p50_us", "added p50, µs"),
    Figure("added_p99_us", "added p99, µs"),
    Figure("added_p999_us", "added p99.9, µs"),
)


def request_scenarios(effort: Effort) -> list[Scenario]:
    """Return all of them."""

    def saturation(_: Workshop, server: Server) -> Figures:
        """Send at full speed on 32 connections."""
        return wrk(server, PODS, seconds=effort.seconds(3))

    def fresh(shop: Workshop, server: Server) -> Figures:
        """Open a new TLS connection per request, as kubectl does."""
        figures = load(shop, server, "fresh", PODS, count=effort.count(1500), workers=4)
        return figures | {"cpu_us": figures["cpu_s"] / figures["count"] * 1e6}

    return [
        Scenario(
            SATURATION,
            saturation,
            (Figure("cpu_us", "CPU µs/request"), Figure("per_s", "requests/s, saturated")),
            variants=True,
        ),
        *(_at_rate(rate, effort) for rate in RATES),
        Scenario(FRESH, fresh, (Figure("cpu_us", "CPU µs/request"),), variants=True),
    ]


def at_rate(rate: int) -> str:
    """Return the name of the scenario of a rate."""
    return f"{rate} GET/s"


def _at_rate(rate: int, effort: Effort) -> Scenario:
    def run(shop: Workshop, server: Server) -> Figures:
        """Send at a fixed rate, whether or not the responses keep up."""
        options = {"rate": rate, "seconds": effort.seconds(3), "workers": 64}
        figures = load(shop, server, "rate", PODS, **options)
        return figures | {"cpu_us": figures["cpu_s"] / figures["count"] * 1e6}

    return Scenario(at_rate(rate), run, (*_LATENCIES, Figure("p99_us", "p99 itself, µs")))
