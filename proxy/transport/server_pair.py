"""A certificate and its key for the main listener, read from two files at one time."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from config.bytes_as_file import MAX_BYTES, as_file
from config.errors import Problem, system_reason
from config.problems import ConfigError
from config.regular_files import read_regular_file

MAX_PEM_BYTES = MAX_BYTES
"""The maximum size of a certificate file or a key file."""


@dataclass(frozen=True, slots=True)
class ServerPair:
    """The content of ``cert_file`` and ``key_file`` at one time: both may change meanwhile."""

    cert_file: Path
    key_file: Path
    chain_pem: bytes
    key_pem: bytes = field(repr=False)

    def load(self, context: ssl.SSLContext) -> None:
        """Load it into ``context``. Raises ConfigError with a message for operators."""
        try:
            with as_file(self.chain_pem) as chain, as_file(self.key_pem) as key:
                context.load_cert_chain(chain, key, password=_no_password)
        except _Encrypted as exc:
            raise unusable(self.cert_file, self.key_file, str(exc)) from None
        except OSError as exc:
            # ssl.SSLError, or "illegal seek": OpenSSL goes back in what it could not parse.
            problem = "is not a certificate that matches its key (PEM, the server's first)"
            raise unusable(self.cert_file, self.key_file, problem) from exc

    def certificate(self) -> x509.Certificate | None:
        """Return the first certificate, which is the server's."""
        try:
            return x509.load_pem_x509_certificate(self.chain_pem)
        except (ValueError, UnsupportedAlgorithm):
            return None


def read_pair(cert_file: Path, key_file: Path) -> ServerPair:
    """Read both files. Raises ConfigError with a message for operators."""
    try:
        # A pipe without a writer would block.
        chain, key = (read_regular_file(file, MAX_PEM_BYTES) for file in (cert_file, key_file))
    except OSError as exc:
        raise unusable(cert_file, key_file, system_reason(exc)) from exc
    return ServerPair(cert_file, key_file, chain, key)


class _Encrypted(Exception):
    """The key has a password, which a server cannot enter."""


def _no_password() -> str:
    raise _Encrypted("has a key with a password; remove it: openssl pkey -in KEY -out NEW")


def unusable(cert_file: Path, key_file: Path, problem: str) -> ConfigError:
    """Return the error for a pair that the listener cannot use."""
    text = f"{problem}; certificate: {cert_file}, key: {key_file}"
    return ConfigError([Problem("", "server.tls", text)])
