"""The main listener's certificate: the operator's, or one by a CA of our own, kept fresh.

Both are read again while the server runs: an operator's when the files change (as cert-manager
changes them), ours when two thirds of its life are over. New connections get the new one; nothing
is dropped.
"""

import asyncio
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import structlog
from cryptography import x509

from config.problems import ConfigError, Problem
from config.settings import Settings
from proxy.certificates import (
    KeyPair,
    create_authority,
    due_for_renewal,
    issue_server,
    load_key_pair,
)
from proxy.data_dir import prepare
from proxy.private_files import make_private_folder, write_private

AUTHORITY_LIFETIME = timedelta(days=3650)
SERVER_LIFETIME = timedelta(days=90)
CHECK_SECONDS = 60.0
"""How often files are looked at for a change, and our own certificate for its age."""

_ANY = frozenset({"0.0.0.0", "::"})  # noqa: S104 - names that no certificate can have
_LOG = structlog.get_logger("sekisho.tls")


class ServerTls:
    """What the main listener does TLS with. ``context`` is None for plain HTTP."""

    def __init__(
        self, settings: Settings, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._tls = settings.server.tls
        self._names = _names(settings)
        self._now = now
        self._folder = settings.data_dir / "tls"
        self._loaded: tuple[float, float] | None = None
        self.context: ssl.SSLContext | None = None
        self.ca_pem: str | None = None
        if self._tls.plain_http:
            self.ca_pem = self._operators_ca()
            return
        if self._tls.cert_file is None:
            prepare(settings)
            make_private_folder(self._folder)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        self.refresh()

    def refresh(self) -> bool:
        """Load the certificate again if it has changed, renewing ours if it is due.

        Whether a new one was loaded. Raises ConfigError where there is none that can be used.
        """
        if self.context is None:
            return False
        cert_file, key_file = self._files()
        try:
            seen = (cert_file.stat().st_mtime, key_file.stat().st_mtime)
            if seen == self._loaded:
                return False
            self.context.load_cert_chain(cert_file, key_file)
        except (OSError, ssl.SSLError) as exc:
            raise _unusable(cert_file, key_file, exc) from exc
        self._loaded = seen
        self.ca_pem = self._operators_ca() if self._tls.cert_file else self._own_ca()
        return True

    async def refresh_forever(self) -> None:
        """Look again now and then, until cancelled. What can't be used leaves the old in place."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                if await asyncio.to_thread(self.refresh):
                    _LOG.info("certificate loaded")
            except (ConfigError, OSError, ValueError) as exc:
                _LOG.error("certificate not loaded; the old one stays", error=str(exc))

    def _files(self) -> tuple[Path, Path]:
        if self._tls.cert_file is not None and self._tls.key_file is not None:
            return self._tls.cert_file, self._tls.key_file
        try:
            return self._own_files()
        except (OSError, ValueError) as exc:
            raise ConfigError(
                [Problem(str(self._folder), "data_dir", f"{exc}; remove the folder to begin anew")]
            ) from exc

    def _own_files(self) -> tuple[Path, Path]:
        """Our certificate's files, issued anew where they are due or don't fit any more."""
        now = self._now()
        authority = self._own_authority(now)
        cert_file, key_file = self._folder / "server.crt", self._folder / "server.key"
        current = _read_pair(cert_file, key_file)
        if current is None or not self._fits(current, authority, now):
            issued = issue_server(
                authority,
                common_name=self._names[0],
                names=self._names,
                lifetime=SERVER_LIFETIME,
                now=now,
            )
            write_private(key_file, issued.key_pem)
            write_private(cert_file, issued.certificate_pem, mode=0o644)
        return cert_file, key_file

    def _own_authority(self, now: datetime) -> KeyPair:
        cert_file, key_file = self._folder / "ca.crt", self._folder / "ca.key"
        authority = _read_pair(cert_file, key_file)
        if authority is not None and not due_for_renewal(authority.certificate, now=now):
            return authority
        fresh = create_authority("Sekisho CA", lifetime=AUTHORITY_LIFETIME, now=now)
        write_private(key_file, fresh.key_pem)
        # Clients that trust the old one go on until they fetch the bundle again.
        old = authority.certificate_pem if authority is not None else b""
        write_private(cert_file, fresh.certificate_pem + old, mode=0o644)
        return fresh

    def _fits(self, current: KeyPair, authority: KeyPair, now: datetime) -> bool:
        if due_for_renewal(current.certificate, now=now):
            return False
        try:
            current.certificate.verify_directly_issued_by(authority.certificate)
        except Exception:  # whatever is wrong with it, a new one is the answer
            return False
        return _names_of(current) == set(self._names)

    def _own_ca(self) -> str:
        return (self._folder / "ca.crt").read_text()

    def _operators_ca(self) -> str | None:
        return self._tls.ca_file.read_text() if self._tls.ca_file is not None else None


def _names(settings: Settings) -> list[str]:
    """Every name under which the listener may be reached."""
    external = urlsplit(settings.external_url).hostname or "localhost"
    names = [external, settings.server.listen.host, "localhost", "127.0.0.1", "::1"]
    return list(dict.fromkeys(name for name in names if name and name not in _ANY))


def _names_of(pair: KeyPair) -> set[str]:
    names = pair.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = names.get_values_for_type(x509.IPAddress)
    return {*names.get_values_for_type(x509.DNSName), *map(str, addresses)}


def _read_pair(cert_file: Path, key_file: Path) -> KeyPair | None:
    """A certificate and its key; None where there isn't one. Mends a key's mode if it is ours."""
    if not cert_file.exists() or not key_file.exists():
        return None
    if key_file.stat().st_mode & 0o077:
        key_file.chmod(0o600)
    return load_key_pair(cert_file.read_bytes(), key_file.read_bytes())


def _unusable(cert_file: Path, key_file: Path, exc: Exception) -> ConfigError:
    if isinstance(exc, ssl.SSLError):
        said = "is not a certificate that fits its key (PEM, the server's own first)"
    else:
        said = (getattr(exc, "strerror", None) or str(exc)).lower()
    return ConfigError([Problem(str(cert_file), "server.tls", f"{said}; key file: {key_file}")])
