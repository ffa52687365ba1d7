"""Recognize a cluster by the uid of its namespace ``kube-system``, at any address.

Two records of one cluster would share Sekisho's service accounts in it, and removing one record
would break the other.
"""

import re
from collections.abc import Sequence

from config.text_patterns import described, ends_alike
from management.errors import AlreadyExists, InvalidRequest
from management.kubernetes.client import ClusterClient
from management.kubernetes.endpoint import ClusterEndpoint
from management.kubernetes.errors import ApiForbidden
from management.kubernetes.manifests import collection_path
from store.records import Cluster

NAME = re.compile(described(r"^[a-z0-9](?:[-a-z0-9.]{0,61}[a-z0-9])?$", ends_alike(63, "- and .")))
"""A valid name of a cluster."""

ID = re.compile(r"c-[a-z2-7]{10}")

_UID = re.compile(r"[!-~]{1,128}")


class ClusterKnown(AlreadyExists):
    """The cluster is imported already. ``cluster`` is its record.

    ``hidden`` is the message for callers who may not see that record.
    """

    hidden = "this cluster is imported already; ask an administrator to let you in"

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(
            f'this cluster is here already, as "{cluster.name}"; import it under that name to '
            "replace its address, CA or tokens"
        )
        self.cluster = cluster


class NameTaken(AlreadyExists):
    """Another cluster has the name. ``hidden`` is the message without its address."""

    hidden = "the name is taken; choose another name"


async def cluster_uid(client: ClusterClient) -> str | None:
    """Return the uid of a cluster; None if the caller may not read it. Raises ClusterApiError."""
    try:
        found = await client.find(f"{collection_path('Namespace')}/kube-system")
    except ApiForbidden as exc:
        if exc.status == 403:
            return None
        raise
    uid = ((found or {}).get("metadata") or {}).get("uid")
    return uid if isinstance(uid, str) and _UID.fullmatch(uid) else None


def checked_name(name: str) -> str:
    """Return the name. Raises InvalidRequest if it is not valid."""
    if not NAME.fullmatch(name) or ID.fullmatch(name):
        raise InvalidRequest(
            f"{name!r} can't be a cluster's name: up to 63 of a-z, 0-9, '-' and '.', "
            "not like an id (c-…)"
        )
    return name


def check_name_is_free(
    clusters: Sequence[Cluster], name: str, endpoint: ClusterEndpoint, *, replace: bool = False
) -> None:
    """Raise NameTaken if a cluster at another address has the name. Sends no requests."""
    named = next((one for one in clusters if one.name == name), None)
    if named is not None and not replace and not _has_same_address(named, endpoint):
        raise NameTaken(
            f'there is a cluster "{name}" already, at {named.servers[0]}; choose another name, '
            "remove that one, or import with --replace if it has moved"
        )


def check_same(cluster: Cluster, uid: str | None) -> None:
    """Raise InvalidRequest if a cluster with that uid is not the stored one."""
    if cluster.uid is not None and cluster.uid != uid:
        raise InvalidRequest(
            f'the server at that address is not the cluster "{cluster.name}": the uid of its '
            "namespace kube-system is another one, or may not be read"
        )


def known_cluster(
    clusters: Sequence[Cluster], name: str, endpoint: ClusterEndpoint, uid: str | None
) -> Cluster | None:
    """Return the record of the cluster under ``name``, or None if the cluster is new.

    Raises:
        ClusterKnown: the cluster is stored under another name.
        NameTaken: another cluster has the name.
    """
    for cluster in clusters:
        if cluster.name != name and _is_same(cluster, endpoint, uid):
            raise ClusterKnown(cluster)
    named = next((one for one in clusters if one.name == name), None)
    if named is None:
        return None
    if uid is not None and named.uid is not None and named.uid != uid:
        raise NameTaken(
            f'there is a cluster "{name}" already, and it is another one; '
            "choose another name, or remove that one"
        )
    return named


def _is_same(cluster: Cluster, endpoint: ClusterEndpoint, uid: str | None) -> bool:
    if uid is not None and cluster.uid is not None:
        return uid == cluster.uid
    return _has_same_address(cluster, endpoint)


def _has_same_address(cluster: Cluster, endpoint: ClusterEndpoint) -> bool:
    """Return whether an API server is the same and is verified with the same CA.

    The URLs of clusters that are reached by agents are all the same.
    """
    if cluster.reach == "agent" or endpoint.dialer is not None:
        return False
    return bool(set(cluster.servers) & set(endpoint.servers)) and (
        (cluster.ca_pem or "").split() == (endpoint.ca_pem or "").split()
    )
