"""What proxy.certificates issues, read back and verified the way clients do."""

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

from proxy import certificates
from proxy.certificates import KeyPair

NOW = datetime.now(UTC).replace(microsecond=0)
YEAR = timedelta(days=365)


@pytest.fixture(scope="module")
def authority() -> KeyPair:
    return certificates.create_authority("test authority", lifetime=10 * YEAR, now=NOW)


@pytest.fixture(scope="module")
def server(authority: KeyPair) -> KeyPair:
    names = ["localhost", "gate.example.test", "127.0.0.1", "::1"]
    return certificates.issue_server(
        authority, common_name="gate", names=names, lifetime=YEAR, now=NOW
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


def context(side: ssl._SSLMethod, own: tuple[Path, Path], authority: KeyPair) -> ssl.SSLContext:
    """A context as strict as Python 3.13's default one, on every Python."""
    result = ssl.SSLContext(side)
    result.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    result.verify_mode = ssl.CERT_REQUIRED
    result.load_cert_chain(*own)
    result.load_verify_locations(cadata=authority.certificate_pem.decode())
    return result


@pytest.mark.parametrize("name", ["localhost", "gate.example.test", "127.0.0.1", "::1"])
def test_strict_mutual_tls(
    tmp_path: Path, authority: KeyPair, server: KeyPair, client: KeyPair, name: str
) -> None:
    listening = context(ssl.PROTOCOL_TLS_SERVER, write(tmp_path, "server", server), authority)
    dialling = context(ssl.PROTOCOL_TLS_CLIENT, write(tmp_path, "client", client), authority)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        accepting = threading.Thread(
            target=lambda: listening.wrap_socket(theirs, server_side=True).recv(1)
        )
        accepting.start()
        with dialling.wrap_socket(ours, server_hostname=name) as secured:
            secured.send(b"x")
            assert secured.getpeercert()
        accepting.join(10)
        assert not accepting.is_alive()


@pytest.mark.parametrize(("name", "purpose"), [("server", "sslserver"), ("client", "sslclient")])
def test_openssl_finds_nothing_to_say(
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


def test_the_authority_says_it_is_one(authority: KeyPair) -> None:
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
def test_a_leaf_is_for_one_purpose(
    name: str, usage: x509.ObjectIdentifier, request: pytest.FixtureRequest
) -> None:
    leaf: KeyPair = request.getfixturevalue(name)
    extensions = leaf.certificate.extensions
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [usage]


def test_kubernetes_reads_user_and_groups(client: KeyPair) -> None:
    subject = client.certificate.subject
    groups = subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert [group.value for group in groups] == ["system:masters", "second"]
    assert [user.value for user in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["alice"]


def test_certificates_are_backdated_and_have_serials_of_their_own(
    authority: KeyPair, server: KeyPair, client: KeyPair
) -> None:
    pairs = [authority, server, client]
    assert {pair.certificate.not_valid_before_utc for pair in pairs} == {NOW - timedelta(minutes=5)}
    assert len({pair.certificate.serial_number for pair in pairs}) == 3


def test_no_leaf_outlives_its_authority(authority: KeyPair) -> None:
    leaf = certificates.issue_client(authority, common_name="c", lifetime=100 * YEAR, now=NOW)
    assert leaf.certificate.not_valid_after_utc == authority.certificate.not_valid_after_utc


def test_an_expired_authority_issues_nothing(authority: KeyPair) -> None:
    with pytest.raises(ValueError, match="its authority is"):
        certificates.issue_client(authority, common_name="c", lifetime=YEAR, now=NOW + 11 * YEAR)


def test_a_server_certificate_needs_a_name(authority: KeyPair) -> None:
    with pytest.raises(ValueError, match="at least one DNS name"):
        certificates.issue_server(authority, common_name="c", names=[], lifetime=YEAR, now=NOW)


def test_a_naive_clock_is_refused() -> None:
    with pytest.raises(ValueError, match="timezone"):
        certificates.create_authority("c", lifetime=YEAR, now=NOW.replace(tzinfo=None))


def test_a_pair_survives_its_files(server: KeyPair) -> None:
    loaded = certificates.load_key_pair(server.certificate_pem, server.key_pem)
    assert loaded.certificate == server.certificate
    assert loaded.key_pem == server.key_pem


def test_the_key_is_not_shown(server: KeyPair) -> None:
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


def test_unreadable_pairs_are_refused_with_the_reason(server: KeyPair, client: KeyPair) -> None:
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
def test_renewal_is_due_at_two_thirds(server: KeyPair, passed: float, due: bool) -> None:
    now = NOW - timedelta(minutes=5) + passed * (YEAR + timedelta(minutes=5))
    assert certificates.due_for_renewal(server.certificate, now=now) is due
