"""Proof, before anything is stored, that a credential does at every master what it is for."""

import asyncio
from dataclasses import replace

from management.downstream.apply import POLL_SECONDS
from management.downstream.client import ClusterClient
from management.downstream.endpoint import Credential, Endpoint
from management.downstream.errors import Failed, Refused

SETTLE_SECONDS = 10.0
"""How long a master may take to know rights that were just given: each learns of them by itself."""

PROBE = "sekisho:probe"
"""A user who is nobody, impersonated to see whether that works."""

_REVIEW_PATH = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


async def verify_impersonator(endpoint: Endpoint, token: str, *, settling: bool = False) -> str:
    """Check at every master that ``token`` may impersonate; the version of the first.

    ``settling`` gives rights that were just given time to arrive. Raises DownstreamError.
    """
    versions = []
    for server in endpoint.servers:
        one = replace(endpoint, servers=(server,))
        async with ClusterClient(one, Credential(token=token)) as client:
            versions.append(await _version(client, server))
            await _settled(client, server, SETTLE_SECONDS if settling else 0.0)
    return versions[0]


async def may_do_anything(endpoint: Endpoint, token: str) -> bool:
    """Whether the token's own account, with nobody impersonated, is all-powerful."""
    async with ClusterClient(endpoint, Credential(token=token)) as client:
        return await _allowed(client, {"verb": "*", "group": "*", "resource": "*"}, {})


async def _version(client: ClusterClient, server: str) -> str:
    answer = await client.get("/version")
    version = answer.get("gitVersion")
    if not isinstance(version, str):
        raise Failed(f"{server}/version: no version in the answer; is this a Kubernetes API?")
    return version


async def _settled(client: ClusterClient, server: str, seconds: float) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            return await _probe(client, server)
        except Refused as exc:
            if exc.status == 401 or asyncio.get_running_loop().time() >= deadline:
                raise
        await asyncio.sleep(POLL_SECONDS)


async def _probe(client: ClusterClient, server: str) -> None:
    """Ask as a user who is nobody whether *they* may impersonate everyone: the answer must be no.

    A yes means that the question was answered for us: something on the way drops the headers, and
    every user would act with the impersonator's rights.
    """
    headers = {
        "Impersonate-User": PROBE,
        "Impersonate-Uid": PROBE,
        "Impersonate-Group": "system:authenticated",
        "Impersonate-Extra-Sekisho-Probe": "true",
    }
    try:
        allowed = await _allowed(client, {"verb": "impersonate", "resource": "users"}, headers)
    except Refused as exc:
        if f'User "{PROBE}" cannot' in str(exc):
            return  # The cluster lets nobody ask, but it did ask itself about the right user.
        if exc.status == 403:
            raise Refused(
                f"{server}: the token may not impersonate users, groups, uids and extras ({exc})",
                exc.status,
            ) from exc
        raise
    if allowed:
        raise Failed(
            f"{server}: the impersonation headers have no effect; a proxy in between drops them"
        )


async def _allowed(
    client: ClusterClient, attributes: dict[str, str], headers: dict[str, str]
) -> bool:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = await client.post(_REVIEW_PATH, review, headers)
    return (answer.get("status") or {}).get("allowed") is True
