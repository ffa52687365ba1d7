"""Check each cluster: reach, impersonation, the controller's rights, its clock, and conditions."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from config.errors import UserError
from management.clusters.verification import allowed, verify_impersonator
from management.kubernetes.client import ClusterClient
from management.kubernetes.cluster_client import endpoint_of
from management.kubernetes.endpoint import ClusterCredential
from management.kubernetes.errors import ApiForbidden, ApiNotFound, ClusterApiError
from proxy.doctor.findings import Finding, error, ok, skipped, warning
from proxy.doctor.stored import clock_finding
from store.records import Cluster, ClusterStatus

AT_ONCE = 16
"""Clusters that are checked at the same time."""

SECONDS = 30.0
"""The time limit for one cluster."""

_IDENTITY = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_RIGHTS = (
    {"verb": "create", "group": "rbac.authorization.k8s.io", "resource": "clusterrolebindings"},
    {"verb": "list", "resource": "namespaces"},
    {"verb": "list", "resource": "nodes"},
)
"""Some of the controller's rights, one of each part of its role."""

IMPORT = "run: sekisho admin cluster import"


async def check_clusters(
    clusters: Sequence[Cluster], statuses: Mapping[str, ClusterStatus]
) -> list[Finding]:
    """Return the findings about all clusters, in their order."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(cluster: Cluster) -> list[Finding]:
        async with slots:
            found = [finding async for finding in _check(cluster)]
        return [*found, *_conditions(cluster, statuses.get(cluster.id))]

    return [finding for found in await asyncio.gather(*map(one, clusters)) for finding in found]


async def _check(cluster: Cluster) -> AsyncIterator[Finding]:
    subject = f"cluster {cluster.name}"
    if cluster.unreadable or cluster.is_pending or cluster.removing_since is not None:
        yield skipped("cluster", subject, "is not registered, not readable, or being removed")
        return
    if cluster.reach != "direct":
        yield skipped("cluster", subject, "is reached by its agent, from the server only")
        return
    try:
        async with asyncio.timeout(SECONDS):
            version = await verify_impersonator(endpoint_of(cluster), cluster.impersonator_token)
            yield ok("cluster", subject, f"{version}; every API server lets Sekisho impersonate")
            if cluster.controller_token is not None:
                async for finding in _controller(cluster, subject, cluster.controller_token):
                    yield finding
    except ApiForbidden as exc:
        yield error("cluster", subject, str(exc), f"{IMPORT} {cluster.name}")
    except (UserError, ClusterApiError) as exc:
        remedy = "check the address, the network, and the certificate of its API servers"
        yield error("cluster", subject, str(exc), remedy)
    except TimeoutError:
        yield error("cluster", subject, "did not respond in time", "check its API servers")


async def _controller(cluster: Cluster, subject: str, token: str) -> AsyncIterator[Finding]:
    async with ClusterClient(endpoint_of(cluster), ClusterCredential(token=token)) as client:
        missing = [
            f"{one['verb']} {one['resource']}"
            for one in _RIGHTS
            if not await allowed(client, one, {})
        ]
        if missing:
            message = f"the controller may not {', '.join(missing)}"
            yield error("rights", subject, message, f"{IMPORT} {cluster.name}")
        else:
            yield ok("rights", subject, "the controller may read and write its objects")
        yield await _clock(client, subject)


async def _clock(client: ClusterClient, subject: str) -> Finding:
    """Compare clocks by the time that the API server gives to a review of the own identity."""
    before = datetime.now(UTC)
    try:
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        response = await client.post(_IDENTITY, review)
        theirs = datetime.fromisoformat(response["metadata"]["creationTimestamp"])
    except (ApiNotFound, ApiForbidden, KeyError, TypeError, ValueError):
        return skipped("clock", subject, "is not shown by Kubernetes before 1.28")
    after = datetime.now(UTC)
    # The timestamp has no fraction of a second.
    theirs_last = theirs + timedelta(seconds=1)
    return clock_finding(subject, max(before - theirs_last, theirs - after, timedelta()))


def _conditions(cluster: Cluster, status: ClusterStatus | None) -> Iterator[Finding]:
    """Yield what the leading replica reported last."""
    conditions = status.data.get("conditions", []) if status is not None else []
    for one in conditions:
        if one.get("status") == "False":
            yield warning(
                "condition",
                f"cluster {cluster.name}",
                f"{one.get('type')} is false since {one.get('since')}: {one.get('reason')}: "
                f"{one.get('message')}",
                "see docs/runbooks, and: sekisho cluster show",
            )
