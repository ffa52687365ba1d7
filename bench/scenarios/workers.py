"""The gain of a second worker, where client and upstream share the machine's cores.

Each worker gets a fifth of a core, so that the others have enough, and one worker and two are
loaded to saturation. Two full cores would give the same, apart from caches and the memory bus.
"""

from pathlib import Path

from bench.cgroups import capped
from bench.machine import children
from bench.scenarios.client import LoadError, cpu, holding
from bench.scenarios.scenario import PODS, Effort, Figure, Figures, Scenario
from bench.servers import Server, Workshop

CAPPED = "workers with 1/5 core"
TWO = "2 workers"
SHARE = 0.2
CONNECTIONS = 32


def worker_scenarios(effort: Effort) -> list[Scenario]:
    """Return one scenario with one worker and with two."""

    def run(shop: Workshop, server: Server) -> Figures:
        assert server.pid is not None
        options = {"workers": CONNECTIONS, "seconds": effort.seconds(4)}
        try:
            with (
                holding(shop, server, "full", PODS, **options) as client,
                capped(workers(server.pid), SHARE),
            ):
                before = cpu(server)
                figures = client.finish()
                used = cpu(server) - before
                return figures | {"cpu_us": used / figures["count"] * 1e6}
        except OSError as exc:
            print(f"  workers can't be held to a share of a core here: {exc}", flush=True)
            return {}

    return [
        Scenario(
            CAPPED,
            run,
            (Figure("per_s", "requests/s"), Figure("cpu_us", "CPU µs/request")),
            servers=frozenset({"sekisho", TWO}),
        )
    ]


def workers(pid: int) -> list[int]:
    """Return the serving processes: the children of a proxy with several workers, or itself."""
    serving = [child for child in children(pid) if b"resource_tracker" not in _command(child)]
    return serving or [pid]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        raise LoadError(f"worker {pid} ended") from None
