"""The address of a cluster and the credential for it: plain values, checked. No network."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from config.address_policy import DEFAULT_POLICY, AddressPolicy
from config.dialing import Dialer
from config.text_patterns import described
from management.errors import InvalidRequest

_WHITE_SPACE = re.compile(r"[\x00-\x20\x7f]")


@dataclass(frozen=True, slots=True)
class ClusterEndpoint:
    """The base URLs of a cluster's API servers, and how to verify them.

    ``ca_pem`` None means the system's trust store. ``tls_server_name`` is the name in the
    certificates, if it is not the URL's host. ``addresses`` decides which IP addresses are allowed.
    ``dialer`` makes all connections, if the cluster is reached by its agent; the URLs are then only
    names. ``held``: no object in the cluster may be changed.
    """

    servers: tuple[str, ...]
    ca_pem: str | None = None
    tls_server_name: str | None = None
    addresses: AddressPolicy = field(default=DEFAULT_POLICY, repr=False, compare=False)
    dialer: Dialer | None = field(default=None, repr=False, compare=False)
    held: bool = False


@dataclass(frozen=True, slots=True)
class ClusterCredential:
    """A bearer token, or a client certificate with its key (both PEM)."""

    token: str | None = field(default=None, repr=False)
    certificate_pem: str | None = field(default=None, repr=False)
    key_pem: str | None = field(default=None, repr=False)


SERVER_NAME = re.compile(r"[A-Za-z0-9:._-]{1,253}")
"""A name in a certificate: a host name or an IP address."""

SERVER_NAME_PATTERN = described(f"^{SERVER_NAME.pattern}$", "a host name or an IP address")

MAX_URL = 2048


def checked_server(url: str) -> str:
    """Return an API server's base URL without a trailing slash. Raises InvalidRequest."""
    if len(url) > MAX_URL or not url.isascii():
        raise InvalidRequest("an API server's URL has ASCII characters only (xn--…), up to 2,048")
    try:
        parts = urlsplit(url)
        fits = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise InvalidRequest(f"{url!r} is not a URL") from None
    if parts.scheme != "https":
        raise InvalidRequest(
            f"{url}: an API server's URL begins with https://; nothing else is safe"
        )
    if not fits or parts.username is not None or parts.query or parts.fragment:
        raise InvalidRequest(f"{url}: give https://host[:port][/path] and nothing else")
    if _WHITE_SPACE.search(url):
        raise InvalidRequest(f"{url!r}: white space in a URL")
    return url.rstrip("/")


def checked_servers(urls: Iterable[str]) -> tuple[str, ...]:
    """Return API servers' base URLs without duplicates. Raises InvalidRequest."""
    return tuple(dict.fromkeys(checked_server(url) for url in urls))
