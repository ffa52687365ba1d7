"""X.509: create a certificate authority (CA) and issue certificates.

Without a configured certificate, Sekisho creates a CA in ``data_dir``; the demo's Kubernetes and
the tests create further ones. Certificates must pass the strictest verifiers among the clients
(Go's ``crypto/x509``, OpenSSL with ``X509_V_FLAG_X509_STRICT``, which Python 3.13 sets), so each
one contains key usages and the identifier of the key that signed it.

Pure functions: the clock comes in as ``now``, an aware datetime, and nothing is written to disk.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CLOCK_SKEW = timedelta(minutes=5)
"""How far certificates are backdated, so that clients whose clock is slow accept them."""

RENEW_AFTER = 2 / 3
"""The part of a certificate's lifetime after which it is renewed."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key. ``repr`` does not contain the key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def certificate_pem(self) -> bytes:
        """The certificate as PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The private key as unencrypted PKCS #8 PEM."""
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def create_authority(common_name: str, *, lifetime: timedelta, now: datetime) -> KeyPair:
    """Create a self-signed CA that may sign end-entity certificates, but no further CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(common_name)
    builder = (
        _unsigned(subject, issuer=subject, key=key)
        .not_valid_before(_aware(now) - CLOCK_SKEW)
        .not_valid_after(now + lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
    )
    return KeyPair(builder.sign(key, hashes.SHA256()), key)


def issue_server(
    authority: KeyPair,
    *,
    common_name: str,
    names: Sequence[str],
    lifetime: timedelta,
    now: datetime,
) -> KeyPair:
    """Issue a TLS server certificate for ``names``: DNS names (ASCII) or IP addresses."""
    if not names:
        raise ValueError("a server certificate needs at least one DNS name or IP address")
    alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
    # Critical only where the subject is empty (RFC 5280, 4.2.1.6), which it never is here.
    return _issue(
        authority,
        subject=_name(common_name),
        usage=ExtendedKeyUsageOID.SERVER_AUTH,
        lifetime=lifetime,
        now=now,
        alternatives=alternatives,
    )


def issue_client(
    authority: KeyPair,
    *,
    common_name: str,
    organizations: Sequence[str] = (),
    lifetime: timedelta,
    now: datetime,
) -> KeyPair:
    """Issue a TLS client certificate. Kubernetes takes the user from CN and the groups from O."""
    return _issue(
        authority,
        subject=_name(common_name, organizations),
        usage=ExtendedKeyUsageOID.CLIENT_AUTH,
        lifetime=lifetime,
        now=now,
    )


def load_key_pair(certificate_pem: bytes, key_pem: bytes) -> KeyPair:
    """Parse a pair from PEM. Raises ValueError, whose message never contains the key."""
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        public_key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise ValueError("the certificate is not a readable PEM certificate") from exc
    key = _load_key(key_pem)
    if key.public_key() != public_key:
        raise ValueError("the private key does not belong to the certificate")
    return KeyPair(certificate, key)


def due_for_renewal(certificate: x509.Certificate, *, now: datetime) -> bool:
    """Return whether two thirds of the certificate's lifetime have passed."""
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return _aware(now) >= start + (end - start) * RENEW_AFTER


def _issue(
    authority: KeyPair,
    *,
    subject: x509.Name,
    usage: x509.ObjectIdentifier,
    lifetime: timedelta,
    now: datetime,
    alternatives: x509.SubjectAlternativeName | None = None,
) -> KeyPair:
    """Issue a certificate for a new key; it ends no later than its CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.certificate
    # A certificate that outlives its CA looks valid but is not, and would be renewed too late.
    end = min(_aware(now) + lifetime, issuer.not_valid_after_utc)
    if end <= now:
        raise ValueError("the certificate would be expired already, or its CA is expired")
    builder = (
        _unsigned(subject, issuer=issuer.subject, key=key)
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(_authority_key_identifier(issuer), critical=False)
    )
    if alternatives is not None:
        builder = builder.add_extension(alternatives, critical=False)
    return KeyPair(builder.sign(authority.key, hashes.SHA256()), key)


def _unsigned(
    subject: x509.Name, *, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    """Return a builder with the fields that all certificates have."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _authority_key_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """Return the extension that identifies the issuer's key by the issuer's own identifier."""
    extension = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(extension.value)


def _key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    """Return a key usage that allows only the named uses. ECDSA keys cannot encipher."""
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str, organizations: Sequence[str] = ()) -> x509.Name:
    """Build a distinguished name. Raises ValueError for a part of more than 64 characters."""
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in organizations]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> x509.GeneralName:
    """Return a host name or an address as a subject alternative name."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _load_key(key_pem: bytes) -> ec.EllipticCurvePrivateKey:
    """Parse an unencrypted EC private key. Raises ValueError."""
    try:
        key = serialization.load_pem_private_key(key_pem, password=None)
    except TypeError as exc:
        raise ValueError("the private key is encrypted; Sekisho has no password for it") from exc
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise ValueError("the private key is not a readable PEM private key") from exc
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("the private key is not an elliptic-curve key")
    return key


def _aware(now: datetime) -> datetime:
    """Return ``now``. Raises ValueError without a timezone: it would be read as UTC."""
    if now.tzinfo is None:
        raise ValueError("now needs a timezone")
    return now
