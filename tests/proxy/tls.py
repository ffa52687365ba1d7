"""TLS contexts of server and client with a certificate for this machine."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvloop.loop

from proxy.transport.certificates import create_authority, issue_server

UVLOOP_SSL_PROTOCOL: type = uvloop.loop.SSLProtocol  # type: ignore[attr-defined]
"""uvloop's object for each TLS connection, which its type stubs lack."""


def tls_contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the contexts of a server and of a client that trusts it."""
    now, day = datetime.now(UTC), timedelta(days=1)
    authority = create_authority("test", lifetime=day, now=now)
    names = ["127.0.0.1", "localhost"]
    pair = issue_server(authority, common_name="test", names=names, lifetime=day, now=now)
    both = folder / "both.pem"
    both.write_bytes(pair.certificate_pem + pair.key_pem)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(both)
    return server, ssl.create_default_context(cadata=authority.certificate_pem.decode())
