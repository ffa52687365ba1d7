"""Duration of a start with a large store."""

from bench.scenarios.scenario import Effort, Figure, Figures, Scenario
from bench.servers import Server, Workshop

BIG_START = "start to ready"
BIG = "large store"
USERS, CLUSTERS = 10_000, 1_000


def start_scenarios(_: Effort) -> list[Scenario]:
    """Return one scenario, which stops its servers: they manage a thousand clusters."""

    def run(_: Workshop, server: Server) -> Figures:
        return {"ready_s": server.seconds_to_ready}

    return [
        Scenario(
            BIG_START,
            run,
            (Figure("ready_s", "s"),),
            restarts=True,
            servers=frozenset({BIG}),
            ends=True,
        )
    ]
