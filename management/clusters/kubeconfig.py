"""Kubeconfig files for Sekisho's users. Pure.

A file may contain several clusters, each with a context and a user entry. The user entry contains a
token, or runs ``sekisho credential`` to get one.

Each name contains the names of the server and the cluster, so that files of several clusters and
servers can be merged: of two entries with the same name, kubectl uses the first.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import yaml

INSTALL_HINT = "sekisho is not installed: it signs you in to your clusters. See its documentation."


@dataclass(frozen=True, slots=True)
class ClusterEntry:
    """A cluster in a kubeconfig: its stable id is in the URL, its name is for users."""

    id: str
    name: str


def cluster_url(external_url: str, cluster_id: str) -> str:
    """Return the URL at which the proxy serves a cluster."""
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
    """Return a kubeconfig as YAML.

    ``token`` None makes an exec entry instead. ``user`` is the user's name. ``ca_pem`` None means
    the system's trust store. ``current`` is the name of the cluster of the current context; by
    default the first one. Raises ValueError without clusters.
    """
    if not clusters:
        raise ValueError("a kubeconfig needs a cluster")
    named = [(f"{one.name}@{_host(external_url)}", one) for one in clusters]
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": name, "cluster": _cluster(external_url, one, ca_pem)} for name, one in named
        ],
        "users": [
            {"name": f"{user}/{name}", "user": _user(external_url, token)} for name, _ in named
        ],
        "contexts": [
            {"name": name, "context": {"cluster": name, "user": f"{user}/{name}"}}
            for name, _ in named
        ],
        "current-context": next((name for name, one in named if one.name == current), named[0][0]),
        "preferences": {},
    }
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True)


def _cluster(external_url: str, entry: ClusterEntry, ca_pem: str | None) -> dict[str, Any]:
    cluster = {"server": cluster_url(external_url, entry.id)}
    if ca_pem is not None:
        cluster["certificate-authority-data"] = base64.b64encode(ca_pem.encode()).decode("ascii")
    return cluster


def _host(external_url: str) -> str:
    """Return the server's host, with the port if the URL contains one."""
    return urlsplit(external_url).netloc.rpartition("@")[2]


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
