"""Issued certificates, parsed and verified as clients do."""

import shutil
import socket
import ssl
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from proxy.transport import certificates
from proxy.transport.certificates import KeyPair

NOW = datetime.now(UTC).replace(microsecond=0)
YEAR = timedelta(days=365)


@pytest.fixture(scope="module")
def authority() -> KeyPair:
    return certificates.create_authority("test authority", lifetime=10 * YEAR, now=NOW)


@pytest.fixture(scope="module")
def server(authority: KeyPair) -> KeyPair:
    names = ["localhost", "sekisho.example.test", "127.0.0.1", "::1"]
    return certificates.issue_server(
        authority, common_name="sekisho", names=names, lifetime=YEAR, now=NOW
    )


@pytest.fixture(scope="module")
def client(authority: KeyPair) -> KeyPair:
    return certificates.issue_client(
        authority,
        common_name="alice",
        organizations=["system:masters", "second"],
        lifetime=YEAR,
        now=NOW,
    )


def write(directory: Path, name: str, pair: KeyPair) -> tuple[Path, Path]:
    certificate, key = directory / f"{name}.crt", directory / f"{name}.key"
    certificate.write_bytes(pair.certificate_pem)
    key.write_bytes(pair.key_pem)
    return certificate, key


def context(side: ssl._SSLMethod, chain: tuple[Path, Path], authority: KeyPair) -> ssl.SSLContext:
    """Return a context as strict as Python 3.13's default, on any Python."""
    result = ssl.SSLContext(side)
    result.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    result.verify_mode = ssl.CERT_REQUIRED
    result.load_cert_chain(*chain)
    result.load_verify_locations(cadata=authority.certificate_pem.decode())
    return result


@pytest.mark.parametrize("name", ["localhost", "sekisho.example.test", "127.0.0.1", "::1"])
def test_certificates_pass_strict_mutual_tls(
    tmp_path: Path, authority: KeyPair, server: KeyPair, client: KeyPair, name: str
) -> None:
    listening = context(ssl.PROTOCOL_TLS_SERVER, write(tmp_path, "server", server), authority)
    dialling = context(ssl.PROTOCOL_TLS_CLIENT, write(tmp_path, "client", client), authority)
    client_socket, server_socket = socket.socketpair()
    with client_socket, server_socket:
        accepting = threading.Thread(
            target=lambda: listening.wrap_socket(server_socket, server_side=True).recv(1)
        )
        accepting.start()
        with dialling.wrap_socket(client_socket, server_hostname=name) as secured:
            secured.send(b"x")
            assert secured.getpeercert()
        accepting.join(120)
        assert not accepting.is_alive()


@pytest.mark.parametrize(("name", "purpose"), [("server", "sslserver"), ("client", "sslclient")])
def test_certificates_pass_strict_openssl_verification(
    tmp_path: Path,
    authority: KeyPair,
    name: str,
    purpose: str,
    request: pytest.FixtureRequest,
) -> None:
    if not (openssl := shutil.which("openssl")):
        pytest.skip("openssl is not installed")
    trusted, _ = write(tmp_path, "ca", authority)
    issued, _ = write(tmp_path, name, request.getfixturevalue(name))
    command = [openssl, "verify", "-x509_strict", "-purpose", purpose]
    command += ["-CAfile", str(trusted), str(issued)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_authority_has_ca_extensions(authority: KeyPair) -> None:
    extensions = authority.certificate.extensions
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=0)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.key_cert_sign
    assert not usage.value.digital_signature


@pytest.mark.parametrize(
    ("name", "usage"),
    [("server", ExtendedKeyUsageOID.SERVER_AUTH), ("client", ExtendedKeyUsageOID.CLIENT_AUTH)],
)
def test_leaf_certificate_has_one_usage(
    name: str, usage: x509.ObjectIdentifier, request: pytest.FixtureRequest
) -> None:
    leaf: KeyPair = request.getfixturevalue(name)
    extensions = leaf.certificate.extensions
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [usage]


def test_client_certificate_has_user_and_groups(client: KeyPair) -> None:
    subject = client.certificate.subject
    groups = subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert [group.value for group in groups] == ["system:masters", "second"]
    assert [user.value for user in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["alice"]


def test_certificates_are_backdated_and_have_unique_serials(
    authority: KeyPair, server: KeyPair, client: KeyPair
) -> None:
    pairs = [authority, server, client]
    assert {pair.certificate.not_valid_before_utc for pair in pairs} == {NOW - timedelta(minutes=5)}
    assert len({pair.certificate.serial_number for pair in pairs}) == 3


def test_leaf_certificate_ends_no_later_than_its_authority(authority: KeyPair) -> None:
    leaf = certificates.issue_client(authority, common_name="c", lifetime=100 * YEAR, now=NOW)
    assert leaf.certificate.not_valid_after_utc == authority.certificate.not_valid_after_utc


def test_expired_authority_issues_nothing(authority: KeyPair) -> None:
    with pytest.raises(ValueError, match="its CA is"):
        certificates.issue_client(authority, common_name="c", lifetime=YEAR, now=NOW + 11 * YEAR)


def test_server_certificate_without_name_is_rejected(authority: KeyPair) -> None:
    with pytest.raises(ValueError, match="at least one DNS name"):
        certificates.issue_server(authority, common_name="c", names=[], lifetime=YEAR, now=NOW)


def test_naive_datetime_is_rejected() -> None:
    with pytest.raises(ValueError, match="timezone"):
        certificates.create_authority("c", lifetime=YEAR, now=NOW.replace(tzinfo=None))


def test_pair_read_from_pem_is_equal(server: KeyPair) -> None:
    loaded = certificates.load_key_pair(server.certificate_pem, server.key_pem)
    assert loaded.certificate == server.certificate
    assert loaded.key_pem == server.key_pem


def test_repr_of_a_pair_does_not_contain_the_key(server: KeyPair) -> None:
    assert "key=" not in repr(server)
    assert "PRIVATE" not in repr(server)


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, password: bytes = b"") -> bytes:
    encryption = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )


def test_unreadable_pair_is_rejected_with_its_reason(server: KeyPair, client: KeyPair) -> None:
    small = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    for certificate, key, reason in (
        (b"junk", server.key_pem, "not a readable PEM certificate"),
        (server.certificate_pem, b"junk", "not a readable PEM private key"),
        (server.certificate_pem, client.key_pem, "does not belong"),
        (server.certificate_pem, pem(server.key, b"secret"), "is encrypted"),
        (server.certificate_pem, pem(small), "not an elliptic-curve key"),
    ):
        with pytest.raises(ValueError, match=reason):
            certificates.load_key_pair(certificate, key)


@pytest.mark.parametrize(("passed", "due"), [(0.0, False), (0.66, False), (0.67, True), (2, True)])
def test_renewal_is_due_after_two_thirds_of_the_lifetime(
    server: KeyPair, passed: float, due: bool
) -> None:
    now = NOW - timedelta(minutes=5) + passed * (YEAR + timedelta(minutes=5))
    assert certificates.due_for_renewal(server.certificate, now=now) is due
