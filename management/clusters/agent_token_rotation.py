"""Replace the token of a cluster's agents without closing a stream.

The controller writes the new token into the agent's Secret and restarts the Deployment, whose new
pods open tunnels with it. The old token is revoked later, when the old pods have ended.
"""

import base64
from datetime import datetime, timedelta

from config.loggers import get_logger
from management.clusters.agent_tokens import RotationRunning, issue_agent_token
from management.kubernetes.client import ClusterClient
from management.kubernetes.cluster_client import controller_client
from management.kubernetes.errors import ApiForbidden, ApiNotFound
from management.kubernetes.manifests import AGENT, NAMESPACE, collection_path
from store.agent_records import AgentToken
from store.interfaces import Store
from store.records import Cluster

OVERLAP = timedelta(minutes=10)
"""How long the old token is valid after a rotation, if the new one was used. Pods are replaced one
by one, and each has a minute for its last streams."""

_TOKEN_ANNOTATION = "sekisho.io/agent-token"  # noqa: S105 - the name of an annotation

_LOG = get_logger(__name__)


async def rotate_agent_token(store: Store, cluster: Cluster, now: datetime) -> AgentToken:
    """Give the agents of a cluster a new token. Return its record.

    Raises:
        RotationRunning: the last rotation has not ended, or another one runs.
        InvalidRequest: Sekisho has no controller token for the cluster.
        ClusterApiError: the cluster does not respond, or refuses the change.
    """
    async with controller_client(cluster) as client:
        # An agent that is not connected is found before anything changes.
        await client.get("/version")
        token, text = await issue_agent_token(store, cluster.id, now)
        try:
            await _write_secret(client, text)
        except (ApiForbidden, ApiNotFound):
            # The Secret has the old token. After other failures, it may have the new one.
            await store.agent_tokens.revoke(token.id)
            raise
        held = await store.agent_tokens.of_cluster(cluster.id)
        if token.id not in {one.id for one in held}:
            # Another rotation began at the same time, and the Secret may have either token. The
            # pods keep running with the former one.
            raise RotationRunning
        await _restart(client, token.id)
    _LOG.info("agent token rotated", cluster=cluster.name, token=token.id)
    return token


async def _write_secret(client: ClusterClient, token: str) -> None:
    data = {"token": base64.b64encode(token.encode()).decode()}
    await client.patch(f"{collection_path('Secret', NAMESPACE)}/{AGENT}", {"data": data})


async def _restart(client: ClusterClient, token_id: str) -> None:
    """Replace the agent's pods, as ``kubectl rollout restart`` does."""
    template = {"metadata": {"annotations": {_TOKEN_ANNOTATION: token_id}}}
    path = f"{collection_path('Deployment', NAMESPACE)}/{AGENT}"
    await client.patch(path, {"spec": {"template": template}})


async def revoke_replaced(store: Store, now: datetime) -> list[str]:
    """Revoke tokens whose successor is in use. Return the ids of the revoked tokens."""
    revoked = []
    for token in await store.agent_tokens.replaced(now - OVERLAP):
        if await store.agent_tokens.revoke(token.id):
            _LOG.info("agent token revoked", cluster=token.cluster_id, token=token.id)
            revoked.append(token.id)
    return revoked
