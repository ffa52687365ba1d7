"""An authority and a server's certificate for the directories of the tests."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from proxy import certificates
from proxy.demo.pki import write_private

LIFETIME = timedelta(days=1)


@dataclass(frozen=True)
class DirectoryPki:
    """Files in PEM."""

    ca: Path
    certificate: Path
    key: Path


def make_pki(folder: Path, *names: str) -> DirectoryPki:
    """A new authority, and a certificate for a server with those names and addresses."""
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    authority = certificates.create_authority("directory", lifetime=LIFETIME, now=now)
    pair = certificates.issue_server(
        authority, common_name=names[0], names=names, lifetime=LIFETIME, now=now
    )
    made = DirectoryPki(folder / "ca.crt", folder / "server.crt", folder / "server.key")
    made.ca.write_bytes(authority.certificate_pem)
    made.certificate.write_bytes(pair.certificate_pem)
    write_private(made.key, pair.key_pem)
    return made
