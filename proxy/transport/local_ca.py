"""An authority of Sekisho's own, and the server's certificate by it, in ``data_dir/tls``.

For those who gave no certificate. Everything is made and renewed under a lock, for the server and
an offline command may look at the same moment. The authority is renewed with its key and its name
as they are: what either certificate of it signed is good for those who know the other one, so that
kubeconfigs that were made before go on until the old one's own end.
"""

import ipaddress
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from proxy.certificates import (
    CLOCK_SKEW,
    KeyPair,
    create_authority,
    due_for_renewal,
    issue_server,
    load_key_pair,
)
from proxy.private_files import keep_private, locked, make_private_folder, write_private

AUTHORITY_LIFETIME = timedelta(days=3650)
SERVER_LIFETIME = timedelta(days=90)

_LOG = structlog.get_logger("sekisho.tls")


class CertificateLost(Exception):
    """Our authority can't be used and mustn't be replaced unasked: clients trust it. Says why."""


class OwnCertificate:
    """The files in ``folder``: ``ca.crt`` (a bundle, the newest first), ``server.crt``, keys."""

    def __init__(self, folder: Path, names: Sequence[str], now: Callable[[], datetime]) -> None:
        self._folder = folder
        self._names = [_normal(name) for name in names]
        self._now = now

    @property
    def certificate_file(self) -> Path:
        """The server's certificate."""
        return self._folder / "server.crt"

    @property
    def key_file(self) -> Path:
        """Its key."""
        return self._folder / "server.key"

    def ca_pem(self) -> str:
        """What clients must trust. Raises OSError."""
        return (self._folder / "ca.crt").read_text()

    def ensure(self) -> None:
        """Make what isn't there and renew what is due. Raises CertificateLost and OSError."""
        make_private_folder(self._folder)
        with locked(self._folder.parent):
            authority = self._authority()
            if not self._fits(authority):
                self._issue(authority)

    def _authority(self) -> KeyPair:
        cert_file, key_file = self._folder / "ca.crt", self._folder / "ca.key"
        now = self._now()
        if not cert_file.exists():
            # The key is written first: without a certificate, nobody has seen it yet.
            fresh = create_authority("Sekisho CA", lifetime=AUTHORITY_LIFETIME, now=now)
            write_private(key_file, fresh.key_pem)
            write_private(cert_file, fresh.certificate_pem, mode=0o644)
            return fresh
        try:
            current = _read_pair(cert_file, key_file)
        except (FileNotFoundError, ValueError) as exc:
            said = f"{key_file} is missing" if isinstance(exc, FileNotFoundError) else str(exc)
            raise CertificateLost(
                f"{said}; restore ca.crt and ca.key in {self._folder} from a backup, or remove "
                "the folder to begin anew (every kubeconfig must be made again then)"
            ) from exc
        if not due_for_renewal(current.certificate, now=now):
            return current
        renewed = _renewed(current, now)
        known = x509.load_pem_x509_certificates(cert_file.read_bytes())
        old = [one for one in known if one.not_valid_after_utc > now]
        bundle = [renewed.certificate, *old]
        content = b"".join(one.public_bytes(Encoding.PEM) for one in bundle)
        write_private(cert_file, content, mode=0o644)
        return renewed

    def _fits(self, authority: KeyPair) -> bool:
        """Whether the server's certificate is there, ours, for our names, and young enough."""
        try:
            current = _read_pair(self.certificate_file, self.key_file).certificate
            current.verify_directly_issued_by(authority.certificate)
        except (FileNotFoundError, ValueError, TypeError, InvalidSignature):
            return False  # whatever is wrong with it: nobody depends on it, a new one is made
        return not due_for_renewal(current, now=self._now()) and _names_of(current) == set(
            self._names
        )

    def _issue(self, authority: KeyPair) -> None:
        issued = issue_server(
            authority,
            common_name="Sekisho",  # verifiers look at the names; this one is short enough (64)
            names=self._names,
            lifetime=SERVER_LIFETIME,
            now=self._now(),
        )
        write_private(self.key_file, issued.key_pem)
        write_private(self.certificate_file, issued.certificate_pem, mode=0o644)


def _renewed(old: KeyPair, now: datetime) -> KeyPair:
    """The same authority, key and name and all, for another lifetime."""
    certificate = old.certificate
    builder = (
        x509.CertificateBuilder()
        .subject_name(certificate.subject)
        .issuer_name(certificate.issuer)
        .public_key(old.key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + AUTHORITY_LIFETIME)
    )
    for extension in certificate.extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    return KeyPair(builder.sign(old.key, hashes.SHA256()), old.key)


def _read_pair(cert_file: Path, key_file: Path) -> KeyPair:
    """A certificate and its key. Mends the key's mode: it is ours. Raises OSError, ValueError."""
    warning = keep_private(key_file)
    if warning is not None:
        _LOG.warning(warning, file=str(key_file))
    return load_key_pair(cert_file.read_bytes(), key_file.read_bytes())


def _names_of(certificate: x509.Certificate) -> set[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = names.get_values_for_type(x509.IPAddress)
    return {*names.get_values_for_type(x509.DNSName), *map(str, addresses)}


def _normal(name: str) -> str:
    """A name as the certificate will give it back: addresses have many ways to be written."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name
