"""Upgraded connections: exec, attach and port-forward, as bytes in both directions."""

from bench.scenarios.client import load
from bench.scenarios.scenario import EXEC, Effort, Figure, Figures, Scenario
from bench.servers import Server, Workshop

SESSION = "exec session"
STREAM = "exec stream"
TRIPS = "exec round trip"
CHAT = "port-forward"

MESSAGES, MESSAGE = 8, 100
"""Messages of a short exec in each direction, and the bytes of each."""


def session_scenarios(effort: Effort) -> list[Scenario]:
    """Return all of them."""

    def session(shop: Workshop, server: Server) -> Figures:
        """Run a short exec: TLS, upgrade, a few messages, the end."""
        options = {"count": effort.count(600), "workers": 4, "messages": MESSAGES, "size": MESSAGE}
        figures = load(shop, server, "exec", EXEC, **options)
        return figures | {"cpu_ms": figures["cpu_s"] / figures["count"] * 1e3}

    def stream(shop: Workshop, server: Server) -> Figures:
        """Send much data through one session and back; bytes count in each direction."""
        figures = load(shop, server, "stream", EXEC, size=effort.count(300) * 1_000_000)
        return figures | {"cpu_ns_per_byte": figures["cpu_s"] / figures["bytes"] * 1e9}

    def trips(shop: Workshop, server: Server) -> Figures:
        """Send one byte through an open session and back."""
        return load(shop, server, "trips", EXEC, count=effort.count(10_000))

    def chat(shop: Workshop, server: Server) -> Figures:
        """Send small messages by several connections that share a session."""
        options = {"count": effort.count(100_000), "size": 512, "workers": 32}
        figures = load(shop, server, "chat", EXEC, **options)
        return figures | {"cpu_us": figures["cpu_s"] / figures["messages"] * 1e6}

    return [
        Scenario(SESSION, session, (Figure("cpu_ms", "CPU ms each"),), variants=True),
        Scenario(
            STREAM,
            stream,
            (Figure("mb_per_s", "MB/s"), Figure("cpu_ns_per_byte", "CPU ns/byte")),
        ),
        Scenario(TRIPS, trips, (Figure("p50_us", "p50, µs"), Figure("p99_us", "p99, µs"))),
        Scenario(
            CHAT,
            chat,
            (Figure("messages_per_s", "messages/s"), Figure("cpu_us", "CPU µs/message")),
        ),
    ]
