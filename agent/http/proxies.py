"""Choose the HTTP proxy for a server from the environment, by the rules of kubectl. Pure.

The rules are those of Go's ``golang.org/x/net/http/httpproxy``: ``HTTPS_PROXY`` (for https),
``HTTP_PROXY`` (for http) and ``NO_PROXY``, also in lower case. Loopback addresses need no proxy.
"""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from agent.http.errors import InvalidProxy
from config.http_proxy import checked_proxy

_PORTS = {"http": 80, "https": 443}


def proxy_for(url: str, environ: Mapping[str, str]) -> str | None:
    """Return the proxy's URL, or None for a direct connection. Raises InvalidProxy.

    ``url`` is that of the server. Raises ValueError if it is none.
    """
    parts = urlsplit(url)
    host, scheme = (parts.hostname or "").rstrip("."), parts.scheme
    name = "HTTPS_PROXY" if scheme == "https" else "HTTP_PROXY"
    proxy = _get(environ, name)
    if not proxy or not host or _is_this_machine(host):
        return None
    if excluded(host, parts.port or _PORTS.get(scheme, 0), _get(environ, "NO_PROXY")):
        return None
    return _usable(name, proxy)


def shown(proxy: str) -> str:
    """Return a proxy's host and port, without the user and password of its URL."""
    parts = urlsplit(proxy)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port}" if parts.port else str(host)


def through(proxy: str | None) -> str:
    """Return that a proxy is between, which may be what does not respond. Empty without one."""
    return f" through the proxy {shown(proxy)} of HTTPS_PROXY" if proxy else ""


def excluded(host: str, port: int, no_proxy: str) -> bool:
    """Return whether ``NO_PROXY`` names the host: itself, a domain above it, or a network."""
    return any(
        _matches(host.lower(), port, one.strip().lower()) for one in no_proxy.split(",") if one
    )


def _usable(name: str, proxy: str) -> str:
    """Return a proxy's URL; the default scheme is http. Errors don't show passwords."""
    try:
        return checked_proxy(proxy if "://" in proxy else f"http://{proxy}")
    except ValueError as exc:
        raise InvalidProxy(f"{name} {exc}") from None


def _get(environ: Mapping[str, str], name: str) -> str:
    return (environ.get(name) or environ.get(name.lower()) or "").strip()


def _is_this_machine(host: str) -> bool:
    address = _address(host)
    return address.is_loopback if address is not None else host.lower() == "localhost"


def _matches(host: str, port: int, entry: str) -> bool:
    if entry == "*":
        return True
    network = _network(entry)
    address = _address(host)
    if network is not None:
        return address is not None and address in network
    name, wanted_port = _split_port(entry)
    if wanted_port is not None and wanted_port != port:
        return False
    if address is not None:
        return _address(name) == address
    if name.startswith("*."):
        name = name[1:]
    if name.startswith("."):
        return host.endswith(name)
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _split_port(entry: str) -> tuple[str, int | None]:
    """Split host and optional port: ``[::1]:443``, ``::1``, ``example.com:8443``."""
    if _address(entry) is not None:
        return entry, None
    head, colon, port = entry.rpartition(":")
    if colon and port.isascii() and port.isdigit():
        return head.strip("[]"), int(port)
    return entry.strip("[]"), None


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    if "/" not in text:
        return None
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
