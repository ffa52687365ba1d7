"""The main listener's certificate: a configured one, or one that the local CA issues.

Both are reloaded while the server runs: a configured one when its files change (as cert-manager
changes them), the other one after two thirds of its lifetime. New connections get the new
certificate; no connection is dropped.
"""

import asyncio
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from config.errors import Problem, system_reason
from config.loggers import get_logger
from config.problems import ConfigError
from config.regular_files import read_regular_file
from config.settings import Settings
from proxy.files.data_dir import ensure_data_dir
from proxy.transport.covered_names import covers
from proxy.transport.local_ca import CAUnusable, LocalCA
from proxy.transport.server_pair import MAX_PEM_BYTES, read_pair, unusable
from proxy.transport.tls_object import RecordSSLObject

CHECK_SECONDS = 60.0
"""How often the files are checked for changes, and the local certificate for its age."""

_WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - no certificate has these names
_LOG = get_logger(__name__)

FileState = tuple[int, ...]


class ServerTls:
    """TLS of the main listener. ``context`` is None for plain HTTP.

    ``ca_pem`` is the CA bundle for kubeconfigs; None where the clients' systems trust the CA.
    """

    def __init__(
        self, settings: Settings, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._tls = settings.server.tls
        self._external_url = settings.external_url
        self._loaded: FileState | None = None
        self._local_ca: LocalCA | None = None
        self.context: ssl.SSLContext | None = None
        self.ca_pem: str | None = self._configured_ca()
        self.certificate_ends_at: datetime | None = None
        if self._tls.plain_http:
            return
        if self._tls.cert_file is None:
            self._local_ca = LocalCA(ensure_data_dir(settings) / "tls", _names(settings), now)
        self.context = _new_context()
        self.refresh()

    def refresh(self) -> bool:
        """Reload the certificate if it has changed, and renew the local one if it is due.

        Return whether a new one was loaded. Raises ConfigError where it can't be used; the listener
        then keeps the previous one.
        """
        if self.context is None:
            return False
        cert_file, key_file = self._files()
        try:
            state = _state(cert_file, key_file)
        except OSError as exc:
            raise unusable(cert_file, key_file, system_reason(exc)) from exc
        if state == self._loaded:
            return False
        # A context that fails to load a key has lost the previous one, too, and refuses every
        # client. So the pair is tried on a separate context first. The files are read once: they
        # may change meanwhile.
        pair = read_pair(cert_file, key_file)
        pair.load(_new_context())
        pair.load(self.context)
        self._loaded = state
        certificate = pair.certificate()
        self.certificate_ends_at = certificate.not_valid_after_utc if certificate else None
        self._after_loading(certificate, key_file)
        return True

    async def refresh_forever(self, *, every: float = CHECK_SECONDS) -> None:
        """Refresh regularly until cancelled. Files that can't be used change nothing."""
        while True:
            await asyncio.sleep(every)
            try:
                if await asyncio.to_thread(self.refresh):
                    _LOG.info("certificate loaded")
            except (ConfigError, OSError, ValueError) as exc:
                _LOG.error("certificate not loaded; the previous one stays", error=str(exc))

    def _files(self) -> tuple[Path, Path]:
        if self._local_ca is None:
            assert self._tls.cert_file is not None
            assert self._tls.key_file is not None
            return self._tls.cert_file, self._tls.key_file
        try:
            self._local_ca.ensure()
        except CAUnusable as exc:
            raise ConfigError([Problem("", "data_dir", str(exc))]) from exc
        except OSError as exc:
            file = str(exc.filename or self._local_ca.certificate_file.parent)
            problem = f"{system_reason(exc)}; correct its permissions"
            raise ConfigError([Problem(file, "data_dir", problem)]) from exc
        return self._local_ca.certificate_file, self._local_ca.key_file

    def _after_loading(self, certificate: x509.Certificate | None, key_file: Path) -> None:
        if self._local_ca is not None:
            self.ca_pem = self._local_ca.ca_pem()
            return
        self.ca_pem = self._configured_ca()
        host = urlsplit(self._external_url).hostname or "localhost"
        if certificate is not None and not covers(certificate, host):
            _LOG.warning(
                "the certificate is not valid for server.external_url: clients will refuse it",
                host=host,
                file=str(self._tls.cert_file),
                fix="use a certificate for that host, and for a former one while clients use it",
            )
        # The group may read it: so Kubernetes mounts a secret for a user who is not root.
        if key_file.stat().st_mode & 0o007:
            _LOG.warning(
                "all users of this machine can read the server's key",
                file=str(key_file),
                fix=f"chmod o-rwx {key_file}",
            )

    def _configured_ca(self) -> str | None:
        return read_ca(self._tls.ca_file) if self._tls.ca_file is not None else None


def check_pair(cert_file: Path, key_file: Path) -> None:
    """Check that the listener can use the files. Raises ConfigError."""
    read_pair(cert_file, key_file).load(_new_context())


def read_ca(file: Path) -> str:
    """Return the CA certificates that clients must trust. Raises ConfigError.

    They are public, so a file that also holds a key is rejected.
    """
    try:
        text = read_regular_file(file, MAX_PEM_BYTES).decode()
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError):
        problem = "is not a PEM file of certificates; name the CA's certificate"
    except OSError as exc:
        problem = f"{system_reason(exc)}; correct the path or its mode"
    else:
        if "PRIVATE KEY" not in text:
            return text
        problem = "holds a private key, and every client gets it; keep only certificates in it"
    raise ConfigError([Problem(str(file), "server.tls.ca_file", problem)])


def _new_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    # Tickets let clients resume sessions; kubectl and client-go never do. OpenSSL's default of two
    # takes a fifth of the CPU time of a new connection, and memory in its cache.
    context.num_tickets = 0
    # All remaining ciphers are strong, so the client chooses. Go clients such as kubectl choose
    # AES-128 with SHA-256: the handshake takes a tenth less CPU time than with OpenSSL's choice.
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.sslobject_class = RecordSSLObject
    return context


def _state(*files: Path) -> FileState:
    """Return values that change when a file is written or replaced, or its link is changed."""
    states = [file.stat() for file in files]
    return tuple(n for one in states for n in (one.st_mtime_ns, one.st_ino, one.st_size))


def _names(settings: Settings) -> list[str]:
    """Return all names under which clients may reach the listener."""
    external = urlsplit(settings.external_url).hostname or "localhost"
    names = [external, settings.server.listen.host, "localhost", "127.0.0.1", "::1"]
    names += settings.server.tls.names
    return list(dict.fromkeys(name for name in names if name and name not in _WILDCARDS))
