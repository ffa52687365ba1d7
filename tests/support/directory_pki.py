"""A CA and server certificates for the directory servers of tests."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from proxy.demo.pki import write_private
from proxy.transport import certificates

LIFETIME = timedelta(days=1)


@dataclass(frozen=True)
class DirectoryPki:
    """Paths of the PEM files."""

    ca: Path
    certificate: Path
    key: Path


def make_pki(folder: Path, *names: str) -> DirectoryPki:
    """Create a CA and a server certificate for host names and addresses."""
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    authority = certificates.create_authority("directory", lifetime=LIFETIME, now=now)
    pair = certificates.issue_server(
        authority, common_name=names[0], names=names, lifetime=LIFETIME, now=now
    )
    files = DirectoryPki(folder / "ca.crt", folder / "server.crt", folder / "server.key")
    files.ca.write_bytes(authority.certificate_pem)
    files.certificate.write_bytes(pair.certificate_pem)
    write_private(files.key, pair.key_pem)
    return files
