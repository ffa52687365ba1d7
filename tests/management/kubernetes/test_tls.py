"""TLS contexts for API servers, of the management client and of the proxy."""

import ssl

import pytest

from management.kubernetes.endpoint import ClusterCredential, ClusterEndpoint
from management.kubernetes.errors import ApiRequestFailed
from management.kubernetes.tls import tls_context, verifying_context
from proxy.transport.certificates import KeyPair
from proxy.transport.client_tls import ClientTLSContexts

SERVERS = ("https://10.0.0.1:6443",)


@pytest.mark.parametrize(
    ("ca_pem", "message"),
    [("", "the CA is empty"), (" \n", "the CA is empty"), ("x", "not a PEM certificate")],
)
def test_unusable_ca_is_rejected(ca_pem: str, message: str) -> None:
    with pytest.raises(ApiRequestFailed, match=message):
        tls_context(ClusterEndpoint(SERVERS, ca_pem))


@pytest.mark.parametrize("ca_pem", ["", " \n", "x"])
def test_unusable_ca_is_rejected_by_the_proxy_immediately(ca_pem: str) -> None:
    """An empty CA must not become the system's trust store."""
    with pytest.raises((ssl.SSLError, ValueError)):
        ClientTLSContexts().source(ca_pem)


def test_contexts_of_client_and_proxy_verify_alike(authority: KeyPair) -> None:
    ca_pem = authority.certificate_pem.decode()
    for context in (verifying_context(ca_pem), ClientTLSContexts().source(ca_pem)()):
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2
        assert not context.verify_flags & ssl.VerifyFlags.VERIFY_X509_STRICT
        assert len(context.get_ca_certs()) == 1


def test_unusable_client_certificate_is_rejected(authority: KeyPair) -> None:
    endpoint = ClusterEndpoint(SERVERS, authority.certificate_pem.decode())
    with pytest.raises(ApiRequestFailed, match="client certificate"):
        tls_context(endpoint, ClusterCredential(certificate_pem="x", key_pem="y"))
