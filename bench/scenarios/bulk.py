"""Large bodies: lists that are downloaded, and uploads."""

from bench.scenarios.client import load
from bench.scenarios.scenario import PODS, Effort, Figure, Figures, Scenario
from bench.servers import Server, Workshop

DOWN = "20 MB lists"
UP = "20 MB bodies"
SIZE = 20_000_000

_FIGURES = (Figure("mb_per_s", "MB/s"), Figure("cpu_ns_per_byte", "CPU ns/byte"))


def bulk_scenarios(effort: Effort) -> list[Scenario]:
    """Return both directions."""

    def down(shop: Workshop, server: Server) -> Figures:
        options = {"count": effort.count(32), "workers": 2, "size": SIZE}
        return _by_byte(load(shop, server, "bulk", PODS, **options))

    def up(shop: Workshop, server: Server) -> Figures:
        options = {"count": effort.count(24), "workers": 2, "size": SIZE, "post": True}
        return _by_byte(load(shop, server, "bulk", PODS, **options))

    return [Scenario(DOWN, down, _FIGURES), Scenario(UP, up, _FIGURES)]


def _by_byte(figures: Figures) -> Figures:
    return figures | {"cpu_ns_per_byte": figures["cpu_s"] / figures["bytes"] * 1e9}
