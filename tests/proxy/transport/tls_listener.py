"""A listener's certificate files, and clients that trust them."""

import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from config.settings import Settings
from proxy.transport.certificates import KeyPair, issue_server

NOW = datetime.now(UTC)


def settings(
    folder: Path, external_url: str = "https://sekisho.example.com", **tls: Any
) -> Settings:
    return Settings.model_validate(
        {"data_dir": str(folder), "server": {"external_url": external_url, "tls": tls}}
    )


class ConfiguredFiles:
    """A certificate and a key as cert-manager writes them, and settings that name them."""

    def __init__(self, folder: Path, authority: KeyPair) -> None:
        self.certificate, self.key = folder / "x.crt", folder / "x.key"
        self._authority = authority
        self.ca_pem = authority.certificate_pem.decode()
        self.write()
        self.settings = settings(
            folder / "data",
            "https://localhost:8443",
            cert_file=str(self.certificate),
            key_file=str(self.key),
        )

    def write(self, *, certificate: bool = True, key: bool = True) -> None:
        """Issue a new pair and write it, or one of its files."""
        pair = issue_server(
            self._authority,
            common_name="x",
            names=["localhost"],
            lifetime=timedelta(days=1),
            now=NOW,
        )
        if certificate:
            self.certificate.write_bytes(pair.certificate_pem)
        if key:
            self.key.write_bytes(pair.key_pem)
            self.key.chmod(0o600)


def handshake(
    context: ssl.SSLContext | None, client: ssl.SSLContext, name: str = "localhost"
) -> bytes:
    """Do a handshake in memory; return the server certificate that the client got."""
    assert context is not None
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server_side = context.wrap_bio(to_server, to_client, server_side=True)
    client_side = client.wrap_bio(to_client, to_server, server_hostname=name)
    for _ in range(4):
        for side in (client_side, server_side):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
    certificate = client_side.getpeercert(binary_form=True)
    assert certificate is not None
    return certificate


def trusting(ca_pem: str | None) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=ca_pem)
