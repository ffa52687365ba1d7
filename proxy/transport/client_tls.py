"""What clusters' API servers are verified with: a TLS context for each CA, made on first use.

A context takes most of a millisecond and some tens of KiB, and a hundred times as much memory where
it holds the system's authorities. Of a thousand clusters few are in use right after a start, and
clusters that were made together often have one CA.
"""

import functools
import ssl
from collections.abc import Callable
from weakref import WeakValueDictionary

from cryptography import x509

from proxy.tls_reads import RecordReads

ContextSource = Callable[[], ssl.SSLContext]
"""Makes a context when it is first called, and keeps it."""


class ClusterTls:
    """Contexts by CA, for as long as a cluster uses them."""

    def __init__(self) -> None:
        self._contexts: WeakValueDictionary[str | None, ssl.SSLContext] = WeakValueDictionary()

    def source(self, ca_pem: str | None) -> ContextSource:
        """Where to get the context for that CA (None: the system's) when it is needed.

        Raises ssl.SSLError or ValueError, now, where the CA can't be used.
        """
        if ca_pem and not _plausible(ca_pem):
            self._of(ca_pem)
        return functools.cache(functools.partial(self._of, ca_pem))

    def _of(self, ca_pem: str | None) -> ssl.SSLContext:
        context = self._contexts.get(ca_pem)
        if context is None:
            context = self._contexts[ca_pem] = _context(ca_pem)
        return context


def _plausible(ca_pem: str) -> bool:
    """Whether it holds certificates, by a parser that is a hundred times as quick as a context.

    It is stricter than OpenSSL, whose word is the last one.
    """
    try:
        x509.load_pem_x509_certificates(ca_pem.encode())
    except ValueError:
        return False
    return True


def _context(ca_pem: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=ca_pem)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Kubernetes' own certificates are not always as strict as Python 3.13 asks for; Go isn't.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", ssl.VerifyFlags(0))
    context.set_alpn_protocols(["http/1.1"])
    context.sslobject_class = RecordReads
    return context
