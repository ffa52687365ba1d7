"""Addresses to listen on: ``127.0.0.1:8443``, ``[::1]:8443``, ``:8443``. Pure."""

import ipaddress
import re
from dataclasses import dataclass

MAX_PORT = 65535

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Listen:
    """An address to listen on. ``host`` None: every interface. ``port`` 0: any free port."""

    host: str | None
    port: int

    def __str__(self) -> str:
        host = "" if self.host is None else f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_listen(text: str) -> Listen:
    """Parse ``host:port``. Raises ValueError with a sentence."""
    host, colon, port_text = text.strip().rpartition(":")
    if not colon or not port_text.isascii() or not port_text.isdigit() or int(port_text) > MAX_PORT:
        raise ValueError(f"{text!r} is not host:port; write it like 127.0.0.1:8443 or :8443")
    if not host:
        return Listen(None, int(port_text))
    if host.startswith("[") and host.endswith("]"):
        try:
            return Listen(str(ipaddress.IPv6Address(host[1:-1])), int(port_text))
        except ValueError:
            raise ValueError(f"{host!r} is not an IPv6 address") from None
    if ":" in host:
        raise ValueError(f"an IPv6 address goes in brackets: [{host}]:{port_text}")
    if not _NAME.fullmatch(host):
        raise ValueError(f"{host!r} is not a host name or address")
    return Listen(host, int(port_text))
