"""The servers of a directory: their addresses, and which of them to try first. Pure.

Servers are tried in the order in which the operator wrote them. One that failed goes to the end of
the line for half a minute, so that a dead first server costs its timeout once and not every time.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

REST_SECONDS = 30.0
"""How long a server that failed is only tried when no other is left."""

_PORTS = {"ldap": 389, "ldaps": 636}


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a server listens, and whether with TLS from the first byte (``ldaps``)."""

    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'ldaps' if self.tls else 'ldap'}://{host}:{self.port}"


def parse_server(text: str) -> ServerAddress:
    """``ldaps://dc1`` or ``ldaps://[::1]:1636``. Raises ValueError with a sentence."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as exc:
        raise ValueError(f"{text!r} is not a server's URL: {exc}") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError(f"{text!r} is not a server's URL; write it like ldaps://dc1.example.com")
    if parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(f"{text!r} has more than a scheme, a host and a port; leave the rest away")
    return ServerAddress(parts.hostname, port or _PORTS[parts.scheme], parts.scheme == "ldaps")


class ServerLine:
    """The servers, in the order in which to try them. May be used from several threads."""

    def __init__(self, servers: Sequence[ServerAddress], clock: Callable[[], float]) -> None:
        self._servers = tuple(servers)
        self._clock = clock
        self._failed: dict[ServerAddress, float] = {}
        self._lock = threading.Lock()

    def order(self) -> list[ServerAddress]:
        """Every server: as configured, those that failed lately last, longest ago first."""
        now = self._clock()
        with self._lock:
            failed = {
                server: when for server, when in self._failed.items() if now - when < REST_SECONDS
            }
        return sorted(self._servers, key=lambda server: failed.get(server, float("-inf")))

    def failed(self, server: ServerAddress) -> None:
        """That server could not be used just now."""
        with self._lock:
            self._failed[server] = self._clock()

    def worked(self, server: ServerAddress) -> None:
        """That server answers."""
        with self._lock:
            self._failed.pop(server, None)
