"""TLS contexts for connections to clusters: one for each CA, created on first use.

A context takes almost a millisecond and some tens of KiB, and a hundred times as much memory with
the system's CAs. Of a thousand clusters, few are in use right after a start, and clusters that were
created together often share a CA.
"""

import functools
import ssl
from collections.abc import Callable
from weakref import WeakValueDictionary

from cryptography import x509

from management.kubernetes.tls import verifying_context
from proxy.transport.tls_object import RecordSSLObject

ContextSource = Callable[[], ssl.SSLContext]
"""Creates a context on the first call, and returns the same one later."""


class ClientTLSContexts:
    """Contexts by CA. They live while a cluster uses them."""

    def __init__(self) -> None:
        self._contexts: WeakValueDictionary[str | None, ssl.SSLContext] = WeakValueDictionary()

    def source(self, ca_pem: str | None) -> ContextSource:
        """Return the source of the context for that CA (None: the CAs of the system).

        Raises ssl.SSLError or ValueError immediately if the CA cannot be used.
        """
        if ca_pem is not None and not _plausible(ca_pem):
            self._of(ca_pem)
        return functools.cache(functools.partial(self._of, ca_pem))

    def _of(self, ca_pem: str | None) -> ssl.SSLContext:
        context = self._contexts.get(ca_pem)
        if context is None:
            context = self._contexts[ca_pem] = _context(ca_pem)
        return context


def _plausible(ca_pem: str) -> bool:
    """Return whether the PEM contains certificates, a hundred times faster than a context does.

    The parser is stricter than OpenSSL; where it fails, OpenSSL decides.
    """
    try:
        x509.load_pem_x509_certificates(ca_pem.encode())
    except ValueError:
        return False
    return True


def _context(ca_pem: str | None) -> ssl.SSLContext:
    context = verifying_context(ca_pem)
    context.set_alpn_protocols(["http/1.1"])
    context.sslobject_class = RecordSSLObject
    return context
