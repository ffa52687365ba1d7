"""Sekisho's local CA and the server certificate that it issues, in ``data_dir/tls``.

They are used where no certificate is configured. A lock protects them, because the server and an
offline command may create or renew them at the same time. A renewed CA keeps its key and its name:
each of its certificates verifies what the other one signed, so that older kubeconfigs stay valid
until the old CA certificate expires.
"""

import ipaddress
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from config.loggers import get_logger
from proxy.files.private_files import (
    locked,
    make_private_folder,
    restrict_permissions,
    write_private,
)
from proxy.transport.certificates import (
    CLOCK_SKEW,
    KeyPair,
    create_authority,
    due_for_renewal,
    issue_server,
    load_key_pair,
)

AUTHORITY_LIFETIME = timedelta(days=3650)
SERVER_LIFETIME = timedelta(days=90)

_LOG = get_logger(__name__)


class CAUnusable(Exception):
    """The CA can't be used, and must not be replaced automatically: clients trust it."""


class LocalCA:
    """The files in ``folder``: ``ca.crt`` (a bundle, the newest first), ``server.crt``, keys."""

    def __init__(self, folder: Path, names: Sequence[str], now: Callable[[], datetime]) -> None:
        self._folder = folder
        self._names = [_normal(name) for name in names]
        self._now = now

    @property
    def certificate_file(self) -> Path:
        """The file of the server certificate."""
        return self._folder / "server.crt"

    @property
    def key_file(self) -> Path:
        """The file of the server's private key."""
        return self._folder / "server.key"

    def ca_pem(self) -> str:
        """Return the CA bundle that clients must trust. Raises OSError."""
        return (self._folder / "ca.crt").read_text()

    def ensure(self) -> None:
        """Create missing files and renew expiring ones. Raises CAUnusable and OSError."""
        make_private_folder(self._folder)
        with locked(self._folder.parent):
            authority = self._authority()
            if not self._matches(authority):
                self._issue(authority)

    def _authority(self) -> KeyPair:
        cert_file, key_file = self._folder / "ca.crt", self._folder / "ca.key"
        now = self._now()
        if not cert_file.exists():
            # The key is written first: a key without a certificate was never in use.
            fresh = create_authority("Sekisho CA", lifetime=AUTHORITY_LIFETIME, now=now)
            write_private(key_file, fresh.key_pem)
            write_private(cert_file, fresh.certificate_pem, mode=0o644)
            return fresh
        try:
            current = _read_pair(cert_file, key_file)
        except (FileNotFoundError, ValueError) as exc:
            reason = f"{key_file} is missing" if isinstance(exc, FileNotFoundError) else str(exc)
            raise CAUnusable(
                f"{reason}; restore ca.crt and ca.key in {self._folder} from a backup, or remove "
                "the folder to create a new CA (every kubeconfig must then be created again)"
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

    def _matches(self, authority: KeyPair) -> bool:
        """Return whether the server certificate exists and has this CA, these names, and time."""
        try:
            current = _read_pair(self.certificate_file, self.key_file).certificate
            current.verify_directly_issued_by(authority.certificate)
        except (FileNotFoundError, ValueError, TypeError, InvalidSignature):
            return False  # Whatever the reason, a new one can replace it.
        return not due_for_renewal(current, now=self._now()) and _names_of(current) == set(
            self._names
        )

    def _issue(self, authority: KeyPair) -> None:
        issued = issue_server(
            authority,
            common_name="Sekisho",  # Verifiers use the names; this one may have 64 characters.
            names=self._names,
            lifetime=SERVER_LIFETIME,
            now=self._now(),
        )
        write_private(self.key_file, issued.key_pem)
        write_private(self.certificate_file, issued.certificate_pem, mode=0o644)


def _renewed(old: KeyPair, now: datetime) -> KeyPair:
    """Return the same CA, with its key, name and extensions, for another lifetime."""
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
    """Read a pair, and restrict the key file's mode. Raises OSError and ValueError."""
    warning = restrict_permissions(key_file)
    if warning is not None:
        _LOG.warning(warning, file=str(key_file))
    return load_key_pair(cert_file.read_bytes(), key_file.read_bytes())


def _names_of(certificate: x509.Certificate) -> set[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = names.get_values_for_type(x509.IPAddress)
    return {*names.get_values_for_type(x509.DNSName), *map(str, addresses)}


def _normal(name: str) -> str:
    """Return a name as the certificate contains it: an address has many spellings."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name
