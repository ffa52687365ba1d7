"""TLS contexts that verify the API servers of a cluster.

The proxy adds session resumption and caching on top (:mod:`proxy.transport.client_tls`).
"""

import ssl

from config.bytes_as_file import as_file
from management.kubernetes.endpoint import ClusterCredential, ClusterEndpoint
from management.kubernetes.errors import ApiRequestFailed


class EmptyCA(ValueError):
    """The CA is an empty text, which Python takes for the system's trust store."""


def verifying_context(ca_pem: str | None) -> ssl.SSLContext:
    """Return a context that verifies API servers with a CA; None means the system's trust store.

    Raises:
        EmptyCA: the CA is empty.
        ssl.SSLError, ValueError: the CA is not a PEM certificate.
    """
    if ca_pem is not None and not ca_pem.strip():
        raise EmptyCA("the CA is empty")
    context = ssl.create_default_context(cadata=ca_pem)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Certificates that Kubernetes makes do not always meet the strict checks of Python 3.13. Go
    # accepts them.
    context.verify_flags &= ~ssl.VerifyFlags.VERIFY_X509_STRICT
    return context


def tls_context(
    endpoint: ClusterEndpoint, credential: ClusterCredential | None = None
) -> ssl.SSLContext:
    """Return the context for a cluster, with the client certificate of ``credential``.

    Raises:
        ApiRequestFailed: the CA, the certificate or its key cannot be used.
    """
    try:
        context = verifying_context(endpoint.ca_pem)
    except EmptyCA as exc:
        raise ApiRequestFailed(str(exc)) from exc
    except (ssl.SSLError, ValueError) as exc:
        raise ApiRequestFailed("the CA is not a PEM certificate") from exc
    if credential is not None and credential.certificate_pem is not None:
        _load_certificate(context, credential.certificate_pem, credential.key_pem or "")
    return context


def _load_certificate(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Load a client certificate. Its key is stored encrypted, and is not written to a file."""
    try:
        with as_file(certificate.encode()) as chain, as_file(key.encode()) as key_file:
            # Without a password, OpenSSL would prompt for one on the terminal if the key is
            # encrypted.
            context.load_cert_chain(chain, key_file, password=b"")
    except (OSError, ValueError) as exc:  # ssl.SSLError is an OSError.
        raise ApiRequestFailed("the client certificate and its key can't be used") from exc
