"""Tests of the certificates of replicas, with OpenSSL at both ends."""

import ssl

import pytest

from management.tunnels.peer_tls import SERVER_NAME, PeerIdentity, create_identity, pinned_context


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> None:
    """Do a handshake in memory. Raises SSLError."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        server.wrap_bio(to_server, to_client, server_side=True),
        client.wrap_bio(to_client, to_server, server_hostname=name),
    ]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert ends[1].version() == "TLSv1.3"


@pytest.fixture(scope="module")
def identity() -> PeerIdentity:
    return create_identity()


def test_certificate_of_the_replica_is_accepted(identity: PeerIdentity) -> None:
    handshake(identity.context, pinned_context(identity.certificate_pem), SERVER_NAME)


def test_another_replicas_certificate_is_refused(identity: PeerIdentity) -> None:
    other = create_identity()
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(other.context, pinned_context(identity.certificate_pem), SERVER_NAME)


def test_name_is_checked(identity: PeerIdentity) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(identity.context, pinned_context(identity.certificate_pem), "localhost")


@pytest.mark.parametrize("pem", ["", " \n", "nonsense"])
def test_row_without_a_certificate_trusts_nothing(pem: str) -> None:
    with pytest.raises((ValueError, ssl.SSLError)):
        pinned_context(pem)


def test_key_is_not_shown(identity: PeerIdentity) -> None:
    assert "PRIVATE" not in repr(identity)
    assert "PRIVATE" not in identity.certificate_pem
