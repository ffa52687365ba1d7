"""Warming a server that was just started: what it does once isn't what is measured."""

import time

from bench.scenarios.client import cpu, holding, load
from bench.scenarios.scenario import EXEC, PODS, WATCH
from bench.servers import Server, Workshop

QUIET_SECONDS, MOST_SECONDS = 0.5, 10.0
QUIET = 0.05
"""Of a core: who uses less has nothing left to do of its start."""


def warm(shop: Workshop, server: Server) -> None:
    """Let a server load what it loads at its first requests, and finish what its start began."""
    load(shop, server, "closed", PODS, count=2000, workers=32)
    load(shop, server, "exec", EXEC, count=50, workers=4, size=100)
    with holding(shop, server, "watch", WATCH, count=100, workers=16) as client:
        client.finish()
    deadline = time.monotonic() + MOST_SECONDS
    busy = True
    while busy and time.monotonic() < deadline:
        before = cpu(server)
        time.sleep(QUIET_SECONDS)
        busy = cpu(server) - before > QUIET * QUIET_SECONDS
