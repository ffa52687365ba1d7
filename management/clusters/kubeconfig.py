"""Kubeconfig files for Sekisho's users. Pure.

One file may hold several clusters; contexts are called as the clusters are. All share one user
entry, which holds a token, or says how kubectl gets one from ``sekisho credential``.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

INSTALL_HINT = "sekisho is not installed: it signs you in to your clusters. See its documentation."


@dataclass(frozen=True, slots=True)
class ClusterEntry:
    """A cluster in a kubeconfig: its stable id is in the URL, its name is for people."""

    id: str
    name: str


def cluster_url(external_url: str, cluster_id: str) -> str:
    """Where the gate serves a cluster."""
    return f"{external_url.rstrip('/')}/k8s/clusters/{cluster_id}"


def render_kubeconfig(
    *,
    external_url: str,
    clusters: Sequence[ClusterEntry],
    user: str,
    token: str | None = None,
    ca_pem: str | None = None,
    current: str | None = None,
) -> str:
    """A kubeconfig as YAML. ``token`` None makes an exec entry instead.

    ``user`` names the user entry; ``ca_pem`` None leaves the CA to the system; ``current`` is the
    name of the cluster to begin with, else the first one is. Raises ValueError for no cluster.
    """
    if not clusters:
        raise ValueError("a kubeconfig needs a cluster")
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [_cluster(external_url, one, ca_pem) for one in clusters],
        "users": [{"name": user, "user": _user(external_url, token)}],
        "contexts": [
            {"name": one.name, "context": {"cluster": one.name, "user": user}} for one in clusters
        ],
        "current-context": current or clusters[0].name,
        "preferences": {},
    }
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True)


def _cluster(external_url: str, entry: ClusterEntry, ca_pem: str | None) -> dict[str, Any]:
    cluster = {"server": cluster_url(external_url, entry.id)}
    if ca_pem is not None:
        cluster["certificate-authority-data"] = base64.b64encode(ca_pem.encode()).decode("ascii")
    return {"name": entry.name, "cluster": cluster}


def _user(external_url: str, token: str | None) -> dict[str, Any]:
    if token is not None:
        return {"token": token}
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "sekisho",
            "args": ["credential", "--server", external_url.rstrip("/")],
            "interactiveMode": "IfAvailable",
            "provideClusterInfo": False,
            "installHint": INSTALL_HINT,
        }
    }
