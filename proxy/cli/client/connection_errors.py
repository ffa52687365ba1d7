"""Explain a failed request to the server: one line with the cause and the remedy.

Errors of HTTP clients and of TLS name the internals that raised them. These do not help the user
who reads the line.
"""

import socket
import ssl
from urllib.parse import urlsplit

from agent.http.errors import (
    BodyTooLarge,
    BrokenBody,
    ConnectionEnded,
    InvalidUrl,
    NotHttp,
    ProxyRefused,
    ProxyUnreachable,
)
from agent.http.proxies import shown, through
from proxy.cli.common import reason

_CHECK = "is --server right, and does it run?"


def why_unreachable(exc: Exception, server: str, seconds: float, proxy: str | None) -> str:
    """Return the message for a request to ``server`` that failed with ``exc``."""
    of_proxy = _of_proxy(exc, proxy)
    if of_proxy is not None:
        return f"{server} can't be reached: {of_proxy}"
    if isinstance(exc, ssl.SSLCertVerificationError):
        return _of_certificate(exc, server)
    return f"{server} can't be reached{through(proxy)}: {_cause(exc, server, seconds)}"


def _cause(exc: Exception, server: str, seconds: float) -> str:
    if isinstance(exc, TimeoutError):
        return f"no response in {seconds:g} seconds; {_CHECK}"
    if isinstance(exc, socket.gaierror):
        return f"there is no such name as {urlsplit(server).hostname}; is --server right?"
    for kinds, text in _CAUSES:
        if isinstance(exc, kinds):
            return text
    if isinstance(exc, OSError):
        return f"{reason(exc)}; {_CHECK}"
    return f"the connection failed; {_CHECK}"


_CAUSES: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((ssl.SSLError,), f"no TLS connection could be made; {_CHECK}"),
    ((InvalidUrl, ValueError), "that is not a URL; is --server right?"),
    ((ConnectionRefusedError,), f"connection refused; {_CHECK}"),
    (
        (ConnectionEnded, ConnectionError),
        f"the connection was closed without a response; {_CHECK}",
    ),
    ((BrokenBody,), "the response broke off; try again"),
    ((BodyTooLarge,), "the response is larger than any of Sekisho's; is --server right?"),
    ((NotHttp,), f"the response isn't valid HTTP; {_CHECK}"),
)
"""The first match counts: some are subclasses of others."""


def _of_proxy(exc: Exception, proxy: str | None) -> str | None:
    if proxy is None:
        return None
    name = shown(proxy)
    if isinstance(exc, ProxyRefused):
        hint = "give it a user and password in HTTPS_PROXY" if exc.status == 407 else "see NO_PROXY"
        return f"the proxy {name} answered {exc.status}; {hint}"
    if isinstance(exc, ProxyUnreachable):
        return f"the proxy {name} of HTTPS_PROXY: {reason(exc.cause)}; see NO_PROXY"
    return None


def _of_certificate(exc: Exception, server: str) -> str:
    cause = getattr(exc, "verify_message", "") if isinstance(exc, ssl.SSLError) else ""
    if cause in {"certificate has expired", "certificate is not yet valid"}:
        return (
            f"the certificate of {server} can't be verified: {cause}; "
            "is this machine's clock right?"
        )
    if "mismatch" in cause or "not valid for" in cause:
        return f"the certificate of {server} is for another name; is --server right?"
    return f"the certificate of {server} can't be verified: give its CA with --ca-file"
