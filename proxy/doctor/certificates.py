"""Check certificates of the listeners as a client does: chain, name, and end."""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from config.settings import Settings
from proxy.doctor.findings import Finding, error, ok, skipped, warning

SOON = timedelta(days=14)
"""Sekisho's own certificate is renewed a third of its lifetime before its end, which is more."""


def check_certificates(settings: Settings, now: datetime | None = None) -> Iterator[Finding]:
    """Yield the findings. Nothing is created or renewed."""
    now = now or datetime.now(UTC)
    tls = settings.server.tls
    host = urlsplit(settings.external_url).hostname or "localhost"
    if tls.plain_http:
        yield skipped("certificate", "server", "a load balancer ends TLS (server.tls.plain_http)")
    elif tls.cert_file is not None and tls.key_file is not None:
        yield from _pair("server", tls.cert_file, tls.key_file, tls.ca_file, host, now)
    else:
        folder = settings.data_dir / "tls"
        if not (folder / "server.crt").exists():
            yield skipped("certificate", "server", "the first start of Sekisho makes it")
        else:
            ca_file = folder / "ca.crt"
            yield from _pair(
                "server", folder / "server.crt", folder / "server.key", ca_file, host, now
            )
            yield from _ends("own CA", ca_file, now)
    files = settings.metrics.tls
    if files.cert_file is not None:
        yield from _ends("metrics", files.cert_file, now)


def _pair(
    subject: str, cert_file: Path, key_file: Path, ca_file: Path | None, host: str, now: datetime
) -> Iterator[Finding]:
    try:
        problem = refusal(cert_file, key_file, ca_file, host)
    except (OSError, ValueError) as exc:  # SSLError is an OSError.
        reason = getattr(exc, "strerror", None) or str(exc)
        yield error(
            "certificate",
            subject,
            f"cannot be used: {reason}",
            "correct the files; see check-config",
        )
        return
    if problem:
        yield error(
            "certificate",
            subject,
            f"a client that trusts {ca_file or 'the CAs of this machine'} refuses it for {host}: "
            f"{problem}",
            "use a certificate for that name, with its intermediates, and the CA that signed it "
            "as server.tls.ca_file",
        )
    else:
        yield ok("certificate", subject, f"is valid for {host}")
    yield from _ends(subject, cert_file, now)


def _ends(subject: str, file: Path, now: datetime) -> Iterator[Finding]:
    try:
        ends_at = x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as exc:
        yield error("certificate", subject, f"{file} cannot be read: {exc}", "correct the file")
        return
    days = (ends_at - now).days
    message = f"ends on {ends_at:%Y-%m-%d}, in {days} days"
    if ends_at - now < SOON:
        level = error if ends_at <= now else warning
        yield level("certificate", subject, message, "renew it: Sekisho loads a new file itself")
    else:
        yield ok("certificate", subject, message)


def refusal(cert_file: Path, key_file: Path, ca_file: Path | None, host: str) -> str:
    """Return why a client refuses the certificate for ``host``; empty if it accepts it.

    Both sides of a handshake run here, in memory. ``ca_file`` None: the CAs of this machine.

    Raises:
        OSError, ValueError: a file cannot be used.
    """
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(cert_file, key_file, password="")
    client_context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=host)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    done = False
    while not done:
        try:
            done = _step(client)
        except ssl.SSLCertVerificationError as exc:
            return exc.verify_message
        _step(server)
    return ""


def _step(side: ssl.SSLObject) -> bool:
    """Continue a handshake. Return whether this side has finished it."""
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True
