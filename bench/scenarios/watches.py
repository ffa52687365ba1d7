"""Thousands of idle watches: memory of each, and latency of an event."""

from bench.machine import settled_rss_kib
from bench.scenarios.client import holding
from bench.scenarios.scenario import PODS, WATCH, Effort, Figure, Figures, Scenario
from bench.servers import Server, Workshop

WATCHES = "idle watches"
START = "start"
EVENTS = 5

_FOR = frozenset({"sekisho", "go", "nginx", "direct"})


def watch_scenarios(effort: Effort) -> list[Scenario]:
    """Return one scenario: opening the watches takes most of its time."""

    def watches(shop: Workshop, server: Server) -> Figures:
        """Measure the memory of each watch, and an event to all."""
        empty = settled_rss_kib(server.pid) if server.pid is not None else 0
        notify = f"{shop.upstream_url}{PODS}?notify=1"
        options = {"count": effort.watches, "workers": 16, "events": EVENTS, "notify": notify}
        with holding(shop, server, "watch", WATCH, **options, notify_ca=shop.ca) as client:
            full = settled_rss_kib(server.pid) if server.pid is not None else 0
            figures = client.finish()
        return figures | {
            "kib_per_watch": (full - empty) / effort.watches,
            "ready_s": server.seconds_to_ready,
            "rss_mib": empty / 1024,
        }

    return [
        Scenario(
            WATCHES,
            watches,
            (
                Figure("kib_per_watch", "KiB each"),
                Figure("p50_us", "event p50, µs"),
                Figure("p99_us", "event p99, µs"),
                Figure("last_us", "event to the last, µs"),
                Figure("rss_mib", "MiB before them"),
                Figure("ready_s", "start to ready, s"),
            ),
            restarts=True,
            servers=_FOR,
            rounds=2,
        )
    ]
