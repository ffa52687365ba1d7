"""Verify a credential at every API server of a cluster before it is stored."""

import asyncio
from dataclasses import replace

from management.kubernetes.client import POLL_SECONDS, ClusterClient
from management.kubernetes.endpoint import ClusterCredential, ClusterEndpoint
from management.kubernetes.errors import ApiForbidden, ApiRequestFailed
from management.kubernetes.validation import text

PROPAGATION_SECONDS = 10.0
"""How long an API server may take to honour new rights. Each server learns of them by itself."""

PROBE = "sekisho:probe"
"""A user that does not exist. Impersonating it shows whether impersonation works."""

_REVIEW_PATH = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


async def verify_impersonator(
    endpoint: ClusterEndpoint, token: str, *, propagation_seconds: float = 0.0
) -> str:
    """Check at every API server that ``token`` may impersonate. Return the Kubernetes version.

    ``propagation_seconds``: how long a server may take to honour rights that were just created.

    Raises:
        ClusterApiError: a server does not accept the token, or does not respond.
    """
    versions = []
    for server in endpoint.servers:
        one = replace(endpoint, servers=(server,))
        async with ClusterClient(one, ClusterCredential(token=token)) as client:
            versions.append(await _version(client, server))
            await _await_rights(client, server, propagation_seconds)
    return versions[0]


async def has_cluster_admin(endpoint: ClusterEndpoint, token: str) -> bool:
    """Return whether the token's own account, without impersonation, has all rights."""
    async with ClusterClient(endpoint, ClusterCredential(token=token)) as client:
        return await allowed(client, {"verb": "*", "group": "*", "resource": "*"}, {})


async def _version(client: ClusterClient, server: str) -> str:
    response = await client.get("/version")
    version = text(response.get("gitVersion"), 100)
    if not version:
        raise ApiRequestFailed(
            f"{server}/version: no version in the response; is this a Kubernetes API?"
        )
    return version


async def _await_rights(client: ClusterClient, server: str, seconds: float) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            return await _probe(client, server)
        except ApiForbidden as exc:
            if exc.status == 401 or asyncio.get_running_loop().time() >= deadline:
                raise
        await asyncio.sleep(POLL_SECONDS)


async def _probe(client: ClusterClient, server: str) -> None:
    """Check that impersonation headers have an effect.

    The review, sent as a user that does not exist, asks whether that user may impersonate all
    users. If the result is yes, it is about Sekisho's own account: an intermediary drops the
    headers, and every user would act with the impersonator's rights.
    """
    headers = {
        "Impersonate-User": PROBE,
        "Impersonate-Uid": PROBE,
        "Impersonate-Group": "system:authenticated",
        "Impersonate-Extra-Sekisho-Probe": "true",
    }
    try:
        is_allowed = await allowed(client, {"verb": "impersonate", "resource": "users"}, headers)
    except ApiForbidden as exc:
        if f'User "{PROBE}" cannot' in str(exc):
            return  # The review is forbidden, but to the impersonated user, as intended.
        if exc.status == 403:
            raise ApiForbidden(
                f"{server}: the token may not impersonate users, groups, uids and extras ({exc})",
                exc.status,
            ) from exc
        raise
    if is_allowed:
        raise ApiRequestFailed(
            f"{server}: the impersonation headers have no effect; a proxy in between drops them"
        )


async def allowed(
    client: ClusterClient, attributes: dict[str, str], headers: dict[str, str]
) -> bool:
    """Return whether the caller, or the user in impersonation ``headers``, has a permission."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    response = await client.post(_REVIEW_PATH, review, headers)
    return (response.get("status") or {}).get("allowed") is True
