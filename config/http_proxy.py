"""URLs of HTTP proxies, which may contain an account. Pure."""

from urllib.parse import urlsplit

_NO_URL = "is not the URL of a proxy; write it like http://proxy.example.com:3128"
_SCHEMES = frozenset({"http", "https"})


def checked_proxy(url: str) -> str:
    """Return ``url`` if it is that of an HTTP proxy.

    Raises:
        ValueError: it is not. The message follows the name of a setting. Of the URL it has at most
            the scheme: after a ``/``, ``?`` or ``#`` in a password, its first half looks like the
            proxy's port, and the user like its host.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        host.encode("idna")
        usable = bool(host) and parts.port != 0 and not any(one.isspace() for one in host)
    except ValueError:
        raise ValueError(_NO_URL) from None
    if not usable or "://" not in url:
        raise ValueError(_NO_URL)
    if parts.scheme not in _SCHEMES:
        raise ValueError(f"is a {parts.scheme} proxy, which is not supported; set an HTTP proxy")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(
            "has text after the proxy's port; in a user or a password, write / as %2F, ? as %3F, "
            "and # as %23"
        )
    return url
