"""How long a start takes where there is much in the store."""

from bench.scenarios.scenario import Effort, Figure, Figures, Scenario
from bench.servers import Server, Workshop

BIG_START = "start to ready"
BIG = "large store"
USERS, CLUSTERS = 10_000, 1_000


def start_scenarios(_: Effort) -> list[Scenario]:
    """One, that ends what it started: a thousand clusters are looked after."""

    def run(_: Workshop, server: Server) -> Figures:
        return {"ready_s": server.seconds_to_ready}

    return [
        Scenario(
            BIG_START,
            run,
            (Figure("ready_s", "s"),),
            anew=True,
            servers=frozenset({BIG}),
            ends=True,
        )
    ]
