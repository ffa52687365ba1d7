"""URLs of providers' backends: https, or http on the loopback interface. Pure."""

import ipaddress
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from config.http_proxy import checked_proxy


def secure_url(text: str) -> str:
    """Return ``text`` if it is an https URL, or an http URL of a loopback address.

    Raises:
        ValueError: the URL has another scheme, no host, a user name, a query or a fragment.

    """
    parts = urlsplit(text)
    if not parts.hostname or "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("must be a URL like https://id.example.com, without a query")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise ValueError("must begin with https://")
    return text


def is_loopback(host: str) -> bool:
    """Return whether ``host`` is ``localhost`` or a loopback address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


SecureUrl = Annotated[str, AfterValidator(secure_url)]
"""The type of a settings field that holds a URL which :func:`secure_url` accepts."""

ProxyUrl = Annotated[str, AfterValidator(checked_proxy)]
"""The type of a settings field that holds the URL of an HTTP proxy. It may contain an account,
which the API shows as ``***``: that needs a URL in which the account is recognised."""
