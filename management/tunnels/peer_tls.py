"""TLS between replicas on different machines: each verifies exactly the other's certificate.

A replica makes a key and a certificate when it starts, and publishes the certificate in its row of
the store. Neither is stored in a file. There is no CA: what one replica presents is compared with
what the store says about that replica, and nothing else is trusted.
"""

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from config.bytes_as_file import as_file

SERVER_NAME = "sekisho-peer"
"""The name in every certificate. The addresses of replicas change, and prove nothing."""

_BACKDATED = timedelta(days=1)
_LIFETIME = timedelta(days=3650)
"""Longer than a process lives. A certificate is trusted only while its replica is in the store."""


@dataclass(frozen=True, slots=True)
class PeerIdentity:
    """The certificate of this process, as PEM, and the TLS context that presents it."""

    certificate_pem: str
    context: ssl.SSLContext = field(repr=False)


def create_identity() -> PeerIdentity:
    """Make a key and a certificate for this process."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _self_signed(key).public_bytes(serialization.Encoding.PEM)
    key_pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0  # Sessions are not resumed: a stream lasts for many requests.
    with as_file(certificate) as certificate_file, as_file(key_pem) as key_file:
        context.load_cert_chain(certificate_file, key_file)
    return PeerIdentity(certificate.decode(), context)


def pinned_context(certificate_pem: str) -> ssl.SSLContext:
    """Return a context that accepts that certificate alone.

    Raises:
        ssl.SSLError, ValueError: it is not a PEM certificate.
    """
    if not certificate_pem.strip():
        raise ValueError("the certificate is empty")  # ssl would load nothing, without an error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # The certificate is no CA's: it ends the chain although it could not sign another one.
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=certificate_pem)
    return context


def _self_signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, SERVER_NAME)])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(SERVER_NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
