"""A certificate for this machine, and both sides' contexts for it."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvloop.loop

from proxy.certificates import create_authority, issue_server

TLS_OF_UVLOOP: type = uvloop.loop.SSLProtocol  # type: ignore[attr-defined]
"""What uvloop keeps for each connection with TLS; its stubs don't have it."""


def contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The server's, and that of a client who believes it."""
    now, day = datetime.now(UTC), timedelta(days=1)
    authority = create_authority("test", lifetime=day, now=now)
    names = ["127.0.0.1", "localhost"]
    pair = issue_server(authority, common_name="test", names=names, lifetime=day, now=now)
    both = folder / "both.pem"
    both.write_bytes(pair.certificate_pem + pair.key_pem)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(both)
    return server, ssl.create_default_context(cadata=authority.certificate_pem.decode())
