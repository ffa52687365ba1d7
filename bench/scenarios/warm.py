"""Warm up a started server, so that one-time work is not measured."""

import time

from bench.scenarios.client import cpu, holding, load
from bench.scenarios.scenario import EXEC, PODS, WATCH
from bench.servers import Server, Workshop

QUIET_SECONDS, MOST_SECONDS = 0.5, 10.0
QUIET = 0.05
"""Part of a core: a server that uses less has finished its start."""


def warm(shop: Workshop, server: Server) -> None:
    """Let a server do the work of its first requests and finish its start."""
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
