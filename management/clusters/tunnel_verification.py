"""Find out whether a tunnel leads to the cluster whose agent token was used to open it.

An agent has no rights in its cluster and cannot prove which one it is, so the API server behind it
is asked. It must show a certificate of the stored CA before the controller's token is sent, and the
uid of its namespace ``kube-system`` must be the stored one. Someone may have applied the manifest
in a second cluster, and a stolen agent token opens tunnels anywhere.
"""

import asyncio
from dataclasses import dataclass, replace

from config.dialing import Dialer
from management.clusters.cluster_identity import cluster_uid
from management.errors import ManagementError
from management.kubernetes.client import ClusterClient
from management.kubernetes.cluster_client import endpoint_of
from management.kubernetes.endpoint import ClusterCredential
from management.kubernetes.errors import ApiForbidden, ApiUntrusted, ClusterApiError
from store.agent_records import Trust
from store.records import Cluster

VERIFY_SECONDS = 10.0
"""How long a verification may take. After that, the tunnel is used as one that is not verified."""

OTHER_CLUSTER = (
    "the API server behind this agent is that of another cluster: delete the namespace "
    "sekisho-system there, and renew the agent's token"
)
UNTRUSTED = (
    "the certificate behind this agent is not valid for the cluster. Another cluster? Delete "
    "sekisho-system there. A new CA? Edit the cluster with an administrator's kubeconfig"
)
NOT_ACCEPTED = (
    "the API server behind this agent does not accept Sekisho's token. Another cluster? Delete "
    "sekisho-system there. Else edit the cluster with an administrator's kubeconfig"
)
NO_UID = "Sekisho's account may not read the namespace kube-system: apply the manifest again"
NO_ANSWER = "the API server behind this agent has not answered yet"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result. ``doubted``: the API server is another one, or has a new CA or new keys.

    Such a tunnel is of use only while no other one is verified: to give Sekisho the new CA.
    """

    trust: Trust
    reason: str = ""
    doubted: bool = False


NOTHING_TO_COMPARE = Verdict(Trust.UNVERIFIED)
"""The cluster is not registered yet, or not reached by its agent yet: that verifies it."""


async def verify_tunnel(cluster: Cluster, dialer: Dialer) -> Verdict:
    """Return whether ``dialer``, which uses one tunnel, leads to the stored cluster."""
    if cluster.is_pending or cluster.reach != "agent" or cluster.unreadable or cluster.uid is None:
        return NOTHING_TO_COMPARE
    endpoint = replace(endpoint_of(cluster), dialer=dialer)
    token = cluster.controller_token or cluster.impersonator_token
    try:
        async with (
            asyncio.timeout(VERIFY_SECONDS),
            ClusterClient(endpoint, ClusterCredential(token=token)) as client,
        ):
            uid = await cluster_uid(client)
    except ApiUntrusted:
        return Verdict(Trust.UNVERIFIED, UNTRUSTED, doubted=True)
    except ApiForbidden:
        return Verdict(Trust.UNVERIFIED, NOT_ACCEPTED, doubted=True)
    except (ClusterApiError, ManagementError, TimeoutError):
        return Verdict(Trust.UNVERIFIED, NO_ANSWER)
    if uid is None:
        return Verdict(Trust.UNVERIFIED, NO_UID)
    if uid != cluster.uid:
        return Verdict(Trust.REFUSED, OTHER_CLUSTER, doubted=True)
    return Verdict(Trust.VERIFIED)
