"""Explain why no tunnel was opened: one line with the cause and the remedy, without a secret.

Errors of TLS and of the system can contain addresses and internals, and a proxy's URL contains a
password. So the lines here are composed of known parts only.
"""

import os
import socket
import ssl
from typing import Protocol

from agent.http.errors import (
    ConnectionEnded,
    InvalidUrl,
    NotHttp,
    ProxyRefused,
    ProxyUnreachable,
)
from agent.http.proxies import shown, through
from config.bounded_json import load_json

MAX_DETAIL = 300
"""Characters of the reason that a server gives."""

_CHECK = "check --server, and that the network lets the agent out"


class Dialed(Protocol):
    """What a message may name of a target."""

    @property
    def url(self) -> str:
        """The server's URL, which contains no credential."""

    @property
    def proxy(self) -> str | None:
        """The HTTP proxy's URL."""

    @property
    def token_file(self) -> str:
        """Where the token was read."""

    @property
    def ca_file(self) -> str:
        """Where the CA was read."""


def cause_of(exc: Exception, target: Dialed, seconds: float) -> str:
    """Return the message for a connection that failed with ``exc`` within ``seconds``."""
    server = _host(target.url)
    if isinstance(exc, ProxyRefused | ProxyUnreachable):
        return _of_proxy(exc, target.proxy or "")
    if isinstance(exc, ssl.SSLCertVerificationError):
        return _of_certificate(exc, server, target.ca_file)
    if isinstance(exc, TimeoutError):
        return f"{server} did not respond within {seconds:g} s{through(target.proxy)}; {_CHECK}"
    if isinstance(exc, socket.gaierror):
        return f"there is no such name as {server}; check --server and the DNS of the cluster"
    if isinstance(exc, InvalidUrl | ValueError):
        return "--server is not a URL; write it like https://sekisho.example.com"
    if isinstance(exc, ssl.SSLError):
        return f"{server} speaks no TLS that is accepted here; {_CHECK}"
    if isinstance(exc, NotHttp):
        return f"{server} did not respond with HTTP; {_CHECK}"
    if isinstance(exc, ConnectionEnded):
        return f"{server} closed the connection without a response{through(target.proxy)}; {_CHECK}"
    return f"cannot connect to {server}: {_reason(exc)}; {_CHECK}"


def refusal(status: int, body: bytes, target: Dialed) -> str:
    """Return the message for a response of ``status`` in place of a tunnel."""
    server, detail = _host(target.url), _detail(body)
    if status == 401:
        remedy = f"the token in {target.token_file} is not valid; renew it, or register again"
    elif status == 404:
        remedy = "the server is older than tunnels, or --server is not Sekisho's address"
    elif 300 <= status < 400:
        remedy = "a redirect is not followed; set --server to the server's own address"
    elif status in (429, 503):
        remedy = "the agent tries again"
    elif status == 426 or status == 400:
        remedy = "an HTTP proxy in between may not pass WebSockets on"
    else:
        remedy = "check --server, and HTTP proxies in between"
    return f"{server} responded {status}{f': {detail}' if detail else ''}; {remedy}"


def _of_proxy(exc: ProxyRefused | ProxyUnreachable, proxy: str) -> str:
    if isinstance(exc, ProxyUnreachable):
        return (
            f"the proxy {shown(proxy)} of HTTPS_PROXY cannot be used: {_reason(exc.cause)}; "
            "correct it, or name the server in NO_PROXY"
        )
    if exc.status == 407:
        remedy = "give it a user and a password in HTTPS_PROXY"
    else:
        remedy = "allow the server there, or name the server in NO_PROXY"
    return f"the proxy {shown(proxy)} of HTTPS_PROXY responded {exc.status}; {remedy}"


def _of_certificate(exc: ssl.SSLCertVerificationError, server: str, ca_file: str) -> str:
    cause = getattr(exc, "verify_message", "") or "it is not trusted"
    if "expired" in cause or "not yet valid" in cause:
        remedy = "renew it, or correct the clock of this node"
    elif "mismatch" in cause or "not valid for" in cause:
        remedy = "check --server: the name must be one of the certificate's"
    else:
        remedy = f"write the CA of the server into {ca_file}"
    return f"the certificate of {server} cannot be verified with {ca_file}: {cause}; {remedy}"


def _reason(exc: Exception) -> str:
    if isinstance(exc, ssl.SSLCertVerificationError):
        return "its certificate cannot be verified with the system's trust store"
    if isinstance(exc, socket.gaierror):
        return "there is no such name"
    code = exc.errno if isinstance(exc, OSError) else None
    if code is not None and code > 0:
        return os.strerror(code).lower()
    return "the connection failed"


def _host(url: str) -> str:
    """Return host and port of a URL."""
    try:
        return shown(url)
    except ValueError:
        return "the server"


def _detail(body: bytes) -> str:
    """Return the ``detail`` of a problem (RFC 9457) on one line; empty for other bodies."""
    try:
        detail = load_json(body).get("detail")
    except (ValueError, AttributeError):
        return ""
    if not isinstance(detail, str):
        return ""
    plain = "".join(one if one.isprintable() else " " for one in detail[:MAX_DETAIL])
    return " ".join(plain.split())
