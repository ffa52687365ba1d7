"""The main listener's certificate: the operator's, or one by a CA of our own, kept fresh.

Both are read again while the server runs: an operator's when the files change (as cert-manager
changes them), ours when two thirds of its life are over. New connections get the new one; nothing
is dropped.
"""

import asyncio
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from config.problems import ConfigError, Problem
from config.settings import Settings
from proxy.data_dir import prepare
from proxy.own_certificate import CertificateLost, OwnCertificate
from proxy.tls_reads import RecordReads

CHECK_SECONDS = 60.0
"""How often files are looked at for a change, and our own certificate for its age."""

_ANY = frozenset({"0.0.0.0", "::"})  # noqa: S104 - names that no certificate can have
_LOG = structlog.get_logger("sekisho.tls")

Seen = tuple[int, ...]


class ServerTls:
    """What the main listener does TLS with. ``context`` is None for plain HTTP.

    ``ca_pem`` is what clients must trust, for kubeconfigs; None where their system knows it.
    """

    def __init__(
        self, settings: Settings, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._tls = settings.server.tls
        self._loaded: Seen | None = None
        self._own: OwnCertificate | None = None
        self.context: ssl.SSLContext | None = None
        self.ca_pem: str | None = self._operators_ca()
        if self._tls.plain_http:
            return
        if self._tls.cert_file is None:
            self._own = OwnCertificate(prepare(settings) / "tls", _names(settings), now)
        self.context = _new_context()
        self.refresh()

    def refresh(self) -> bool:
        """Load the certificate again if it has changed, renewing ours if it is due.

        Whether a new one was loaded. Raises ConfigError where there is none that can be used; the
        one that was loaded before is then still in use.
        """
        if self.context is None:
            return False
        cert_file, key_file = self._files()
        try:
            seen = _state(cert_file, key_file)
        except OSError as exc:
            raise _unusable(cert_file, key_file, _said(exc)) from exc
        if seen == self._loaded:
            return False
        # A context into which the wrong key was loaded has lost the right one, too, and refuses
        # every client: what is new is tried on a context that serves nobody.
        load_pair(_new_context(), cert_file, key_file)
        load_pair(self.context, cert_file, key_file)
        self._loaded = seen
        self._after_loading(key_file)
        return True

    async def refresh_forever(self, *, every: float = CHECK_SECONDS) -> None:
        """Look again every so many seconds. What can't be used leaves the old in place."""
        while True:
            await asyncio.sleep(every)
            try:
                if await asyncio.to_thread(self.refresh):
                    _LOG.info("certificate loaded")
            except (ConfigError, OSError, ValueError) as exc:
                _LOG.error("certificate not loaded; the old one stays", error=str(exc))

    def _files(self) -> tuple[Path, Path]:
        if self._own is None:
            assert self._tls.cert_file is not None
            assert self._tls.key_file is not None
            return self._tls.cert_file, self._tls.key_file
        try:
            self._own.ensure()
        except CertificateLost as exc:
            raise ConfigError([Problem("", "data_dir", str(exc))]) from exc
        except OSError as exc:
            file = str(exc.filename or self._own.certificate_file.parent)
            said = f"{_said(exc)}; mend its permissions"
            raise ConfigError([Problem(file, "data_dir", said)]) from exc
        return self._own.certificate_file, self._own.key_file

    def _after_loading(self, key_file: Path) -> None:
        if self._own is not None:
            self.ca_pem = self._own.ca_pem()
            return
        self.ca_pem = self._operators_ca()
        # The group may: that is how Kubernetes hands a secret to a user who isn't root.
        if key_file.stat().st_mode & 0o007:
            _LOG.warning(
                "everybody on this machine may read the server's key",
                file=str(key_file),
                fix=f"chmod o-rwx {key_file}",
            )

    def _operators_ca(self) -> str | None:
        return read_ca(self._tls.ca_file) if self._tls.ca_file is not None else None


def load_pair(context: ssl.SSLContext, cert_file: Path, key_file: Path) -> None:
    """Load a certificate and its key. Raises ConfigError in an operator's words."""
    try:
        context.load_cert_chain(cert_file, key_file, password=_no_password)
    except _Encrypted as exc:
        raise _unusable(cert_file, key_file, str(exc)) from None
    except ssl.SSLError as exc:
        said = "is not a certificate that fits its key (PEM, the server's own first)"
        raise _unusable(cert_file, key_file, said) from exc
    except OSError as exc:
        raise _unusable(cert_file, key_file, _said(exc)) from exc


def check_pair(cert_file: Path, key_file: Path) -> None:
    """See whether the listener could use them. Raises ConfigError."""
    load_pair(_new_context(), cert_file, key_file)


def read_ca(file: Path) -> str:
    """The certificates that clients are told to trust. Raises ConfigError.

    They are handed to everybody: a file that also holds a key is refused.
    """
    try:
        text = file.read_text()
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError):
        said = "is not a PEM file of certificates; name the CA's certificate"
    except OSError as exc:
        said = f"{_said(exc)}; mend the path or its mode"
    else:
        if "PRIVATE KEY" not in text:
            return text
        said = "holds a private key, and would be given to everybody; keep only certificates in it"
    raise ConfigError([Problem(str(file), "server.tls.ca_file", said)])


class _Encrypted(Exception):
    """The key has a password, which nobody is there to type."""


def _no_password() -> str:
    raise _Encrypted("has a key with a password; take it off: openssl pkey -in KEY -out NEW")


def _new_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    # Tickets let clients resume sessions; kubectl and client-go never do. Two of them, OpenSSL's
    # default, are a fifth of what a new connection costs, and are kept in its cache besides.
    context.num_tickets = 0
    # Of the ciphers that are left all will do, so the client has the choice. Go's, kubectl's among
    # them, want AES-128 with SHA-256: a tenth less for a handshake than what OpenSSL would choose.
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.sslobject_class = RecordReads
    return context


def _state(*files: Path) -> Seen:
    """What changes when a file is written, replaced, or its link is turned elsewhere."""
    states = [file.stat() for file in files]
    return tuple(n for one in states for n in (one.st_mtime_ns, one.st_ino, one.st_size))


def _names(settings: Settings) -> list[str]:
    """Every name under which the listener may be reached."""
    external = urlsplit(settings.external_url).hostname or "localhost"
    names = [external, settings.server.listen.host, "localhost", "127.0.0.1", "::1"]
    return list(dict.fromkeys(name for name in names if name and name not in _ANY))


def _said(exc: OSError) -> str:
    return (exc.strerror or str(exc)).lower()


def _unusable(cert_file: Path, key_file: Path, said: str) -> ConfigError:
    said = f"{said}; certificate: {cert_file}, key: {key_file}"
    return ConfigError([Problem("", "server.tls", said)])
