"""Where a cluster is and as whom to speak to it: plain values, checked. No network."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from management.cluster_errors import BadRequest


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a cluster is: its masters' base URLs, and how they are verified.

    ``ca_pem`` None means the system's trust store; ``tls_server_name`` is the name that the
    certificates are for, where it isn't the URL's host.
    """

    servers: tuple[str, ...]
    ca_pem: str | None = None
    tls_server_name: str | None = None


@dataclass(frozen=True, slots=True)
class Credential:
    """As whom to speak: a bearer token, or a client certificate with its key (both PEM)."""

    token: str | None = field(default=None, repr=False)
    certificate_pem: str | None = field(default=None, repr=False)
    key_pem: str | None = field(default=None, repr=False)


def checked_server(url: str) -> str:
    """A master's base URL without its trailing slash. Raises BadRequest."""
    try:
        parts = urlsplit(url)
        fits = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise BadRequest(f"{url!r} is not a URL") from None
    if parts.scheme != "https":
        raise BadRequest(f"{url}: an API server's URL begins with https://; nothing else is safe")
    if not fits or parts.username is not None or parts.query or parts.fragment:
        raise BadRequest(f"{url}: give https://host[:port][/path] and nothing else")
    if re.search(r"[\x00-\x20\x7f]", url):
        raise BadRequest(f"{url!r}: white space in a URL")
    return url.rstrip("/")


def checked_servers(urls: Iterable[str]) -> tuple[str, ...]:
    """Several masters' base URLs, each once. Raises BadRequest."""
    return tuple(dict.fromkeys(checked_server(url) for url in urls))
