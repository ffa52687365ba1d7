"""Memory: behind clients that do not read, and after an hour of mixed load."""

import subprocess
from collections.abc import Mapping

from bench.machine import settled_rss_kib
from bench.scenarios.client import CLIENT_SECONDS, command, figures_of, holding
from bench.scenarios.scenario import EXEC, PODS, WATCH, Effort, Figure, Figures, Scenario
from bench.servers import PASSWORD, PREFIX, USER, Server, Workshop

STALL = "1 GB list, unread"
HOUR = "an hour's load"

STALLED = 20
"""Clients that stop reading: enough to exceed the noise of a memory reading."""

REQUESTS, CALLS, LISTS, WATCHES_OPENED, SESSIONS, LOGINS = 60_000, 1800, 60, 500, 300, 60
"""A normal hour of a replica: 17 requests a second on persistent connections, a call of kubectl
every two seconds, a list of 20 MB each minute, new watches, execs, and a sign-in with a password
each minute."""


def memory_scenarios(effort: Effort) -> list[Scenario]:
    """Return both scenarios."""

    def stall(shop: Workshop, server: Server) -> Figures:
        """Measure the memory per client that requests 1 GB and reads none of it."""
        assert server.pid is not None
        empty = settled_rss_kib(server.pid)
        options = {"count": STALLED, "workers": STALLED, "size": 1_000_000_000}
        with holding(shop, server, "stall", PODS, **options) as client:
            full = settled_rss_kib(server.pid)
            client.finish()
        return {"mib_each": (full - empty) / STALLED / 1024}

    def hour(shop: Workshop, server: Server) -> Figures:
        """Run all kinds of load together, at full speed."""
        assert server.pid is not None
        before = settled_rss_kib(server.pid)
        _together(shop, server, effort)
        after = settled_rss_kib(server.pid)
        return {"rss_mib": after / 1024, "growth_mib": (after - before) / 1024}

    return [
        Scenario(
            STALL,
            stall,
            (Figure("mib_each", "MiB held for each"),),
            restarts=True,
            servers=frozenset({"sekisho", "go", "nginx", "haproxy"}),
            rounds=1,
        ),
        Scenario(
            HOUR,
            hour,
            (Figure("rss_mib", "MiB resident"), Figure("growth_mib", "MiB more than before")),
            restarts=True,
            servers=frozenset({"sekisho", "go"}),
            rounds=1,
        ),
    ]


def _together(shop: Workshop, server: Server, effort: Effort) -> None:
    """Run all kinds of load together; release connections that are held immediately."""
    loads: list[tuple[str, str, Mapping[str, object]]] = [
        ("closed", PODS, {"count": effort.count(REQUESTS), "workers": 32}),
        ("fresh", PODS, {"count": effort.count(CALLS), "workers": 4}),
        ("bulk", PODS, {"count": effort.count(LISTS), "workers": 2, "size": 20_000_000}),
        ("watch", WATCH, {"count": effort.count(WATCHES_OPENED), "workers": 8}),
        ("exec", EXEC, {"count": effort.count(SESSIONS), "workers": 4, "size": 1000}),
    ]
    running = [
        (what, _start(command(shop, server, what, path, dict(options))))
        for what, path, options in loads
    ]
    if server.name == "sekisho":
        running.append(("login", _start(_login(shop, server, effort.count(LOGINS)))))
    try:
        for what, client in running:
            out, err = client.communicate(timeout=CLIENT_SECONDS)
            figures_of(out, err, f"{what} against {server.name}")
    finally:
        for _, client in running:
            client.kill()


def _start(words: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _login(shop: Workshop, server: Server, count: int) -> list[str]:
    url = server.url.removesuffix(PREFIX) + "/v1/login/local"
    return [
        *(str(shop.folder / "load"), "login", "-url", url, "-ca", str(server.ca)),
        *("-user", USER, "-password", PASSWORD, "-count", str(count), "-workers", "2"),
    ]
