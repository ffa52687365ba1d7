"""Certificates and kubeconfigs of a local cluster, as files for its programs."""

import base64
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import yaml

from proxy.transport import certificates
from proxy.transport.certificates import KeyPair

LIFETIME = timedelta(days=30)
"""How long the certificates are valid; longer than any demo or test runs."""

SERVER_NAMES = (
    "127.0.0.1",
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
)

CLIENTS = {
    "admin": ("kubernetes-admin", ["system:masters"]),
    "controllers": ("system:kube-controller-manager", ["system:masters"]),
    "kubelet-client": ("kube-apiserver-kubelet-client", []),
    # The API server at the servers to which it delegates APIs.
    "front-proxy": ("front-proxy-client", []),
    # No user: service accounts' tokens are signed with this key, and checked with the certificate.
    "service-accounts": ("service-accounts", []),
}
"""Client certificates by file name: the user and the groups that Kubernetes reads from each."""


@dataclass(frozen=True, slots=True)
class Pki:
    """A directory of ``<name>.crt`` and ``<name>.key``, and the authority that signed them all."""

    directory: Path
    authority: KeyPair

    def certificate(self, name: str) -> Path:
        """Return where a certificate is, PEM; ``ca`` is the authority's."""
        return self.directory / f"{name}.crt"

    def key(self, name: str) -> Path:
        """Return where a private key is, PEM."""
        return self.directory / f"{name}.key"

    def issue_server(self, name: str, *, now: datetime) -> None:
        """Write a certificate for a server on loopback."""
        pair = certificates.issue_server(
            self.authority, common_name=name, names=SERVER_NAMES, lifetime=LIFETIME, now=now
        )
        self._write(name, pair)

    def issue_client(self, name: str, user: str, groups: list[str], *, now: datetime) -> None:
        """Write a certificate for a user in groups."""
        pair = certificates.issue_client(
            self.authority, common_name=user, organizations=groups, lifetime=LIFETIME, now=now
        )
        self._write(name, pair)

    def write_kubeconfig(self, name: str, server: str, path: Path) -> None:
        """Write a kubeconfig for the client ``name`` that refers to no other file."""

        def embedded(file: Path) -> str:
            return base64.b64encode(file.read_bytes()).decode()

        cluster = {
            "server": server,
            "certificate-authority-data": embedded(self.certificate("ca")),
        }
        user = {
            "client-certificate-data": embedded(self.certificate(name)),
            "client-key-data": embedded(self.key(name)),
        }
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "local", "cluster": cluster}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": "local", "context": {"cluster": "local", "user": name}}],
            "current-context": "local",
        }
        write_private(path, yaml.safe_dump(config).encode())

    def _write(self, name: str, pair: KeyPair) -> None:
        self.certificate(name).write_bytes(pair.certificate_pem)
        write_private(self.key(name), pair.key_pem)


def create_pki(directory: Path, *, now: datetime) -> Pki:
    """Create an authority, and the certificates of a cluster's programs."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = certificates.create_authority("local", lifetime=LIFETIME, now=now)
    pki = Pki(directory, authority)
    # Without the authority's key: no program needs it, so it stays in memory.
    pki.certificate("ca").write_bytes(authority.certificate_pem)
    for name in ("kube-apiserver", "etcd"):
        pki.issue_server(name, now=now)
    for name, (user, groups) in CLIENTS.items():
        pki.issue_client(name, user, groups, now=now)
    return pki


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, from the moment of its creation."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
