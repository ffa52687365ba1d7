"""The servers of a directory: their addresses, and the order of attempts. Pure.

Servers are tried in the configured order. A server that failed comes last for half a minute, so
that an unavailable first server costs one timeout, and not one for each operation.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

REST_SECONDS = 30.0
"""How long a failed server is tried last."""

_PORTS = {"ldap": 389, "ldaps": 636}


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """The address of a server, and whether it uses TLS from the first byte (``ldaps``)."""

    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'ldaps' if self.tls else 'ldap'}://{host}:{self.port}"


def parse_server(text: str) -> ServerAddress:
    """Parse ``ldaps://dc1`` or ``ldaps://[::1]:1636``. Raises ValueError with a sentence."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as exc:
        raise ValueError(f"{text!r} is not a server's URL: {exc}") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError(f"{text!r} is not a server's URL; write it like ldaps://dc1.example.com")
    if parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(f"{text!r} has more than scheme, host and port; remove the rest")
    return ServerAddress(parts.hostname, port or _PORTS[parts.scheme], parts.scheme == "ldaps")


class ServerList:
    """The servers in the order of attempts. Safe for several threads."""

    def __init__(self, servers: Sequence[ServerAddress], clock: Callable[[], float]) -> None:
        self._servers = tuple(servers)
        self._clock = clock
        self._failed: dict[ServerAddress, float] = {}
        self._lock = threading.Lock()

    def order(self) -> list[ServerAddress]:
        """Return all servers as configured, with recently failed ones last, oldest first."""
        now = self._clock()
        with self._lock:
            failed = {
                server: when for server, when in self._failed.items() if now - when < REST_SECONDS
            }
        return sorted(self._servers, key=lambda server: failed.get(server, float("-inf")))

    def failed(self, server: ServerAddress) -> None:
        """Record that a server failed now."""
        with self._lock:
            self._failed[server] = self._clock()

    def worked(self, server: ServerAddress) -> None:
        """Record that a server works."""
        with self._lock:
            self._failed.pop(server, None)
