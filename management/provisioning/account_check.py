"""Verify Sekisho's account in a management cluster before its token is stored."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from management.clusters.verification import PROPAGATION_SECONDS, allowed
from management.errors import InvalidRequest
from management.kubernetes.client import POLL_SECONDS, ClusterClient
from management.kubernetes.endpoint import ClusterCredential, ClusterEndpoint
from management.kubernetes.errors import (
    ApiForbidden,
    ApiRequestFailed,
    ApiUnreachable,
    refused_by_policy,
)
from management.kubernetes.manifests import PROVISIONER
from management.provisioning.engine import CLASSES, CLUSTERS, GROUP, VERSION, engine_path

_PROBE = "sekisho-probe"
"""The name of a Cluster that is sent as a dry run, to see that the guard denies it."""


async def verify_account(endpoint: ClusterEndpoint, token: str, namespace: str) -> None:
    """Wait until every API server honours the rights and the guard of the account.

    Raises:
        ClusterApiError: a server does not, or does not respond.
    """
    for server in endpoint.servers:
        one = replace(endpoint, servers=(server,))
        async with ClusterClient(one, ClusterCredential(token=token)) as client:
            await _await_guard(client, server, namespace)


async def _await_guard(client: ClusterClient, server: str, namespace: str) -> None:
    deadline = asyncio.get_running_loop().time() + PROPAGATION_SECONDS
    reviewed = {"verb": "create", "group": GROUP, "resource": CLUSTERS, "namespace": namespace}
    while True:
        permitted = await _accepted(client, reviewed)
        if permitted and await _guard_denies(client, namespace):
            return
        if asyncio.get_running_loop().time() > deadline:
            what = "the admission policy" if permitted else "the rights"
            raise ApiRequestFailed(f"{server}: {what} of {PROVISIONER} has no effect; try again")
        await asyncio.sleep(POLL_SECONDS)


async def _accepted(client: ClusterClient, attributes: dict[str, str]) -> bool:
    """Return whether the account has a right. A server may not know the new token yet."""
    try:
        return await allowed(client, attributes, {})
    except ApiForbidden:
        return False


async def _guard_denies(client: ClusterClient, namespace: str) -> bool:
    """Return whether the guard denies a Cluster without Sekisho's label.

    Raises:
        ApiUnreachable: the engine's webhooks do not respond.
    """
    path = engine_path(CLUSTERS, namespace, _PROBE)
    probe = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "Cluster",
        "metadata": {"name": _PROBE, "namespace": namespace},
        "spec": {"paused": True},
    }
    try:
        await client.apply(path, probe, dry_run=True)
    except (ApiForbidden, ApiRequestFailed) as exc:
        if "failed calling webhook" in str(exc):
            raise ApiUnreachable(f"Cluster API's controllers do not respond: {exc}") from exc
        return PROVISIONER in (refused_by_policy(exc) or "")
    return False


async def require_classes(
    endpoint: ClusterEndpoint, token: str, namespace: str, classes: Sequence[str]
) -> None:
    """Raise InvalidRequest if a class does not exist, and ClusterApiError."""
    async with ClusterClient(endpoint, ClusterCredential(token=token)) as client:
        for name in classes:
            if await client.find(engine_path(CLASSES, namespace, name)) is None:
                raise InvalidRequest(
                    f'classes: there is no ClusterClass "{name}" in the namespace "{namespace}"'
                )
