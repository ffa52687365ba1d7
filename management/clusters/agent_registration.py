"""Register a cluster that is reached by its agent.

Its agent needs a token before the cluster can be verified, so its record is stored first, without
tokens of accounts (``Cluster.is_pending``). It reserves the name, and nothing can be sent to the
cluster. The registering Job then sends the accounts' tokens, which are verified through the
agent's tunnel. See docs/decisions/0047-registering-agents.md.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from config.loggers import get_logger
from management.clusters.agent_tokens import issue_agent_token
from management.clusters.cluster_identity import ClusterKnown, checked_name, cluster_uid
from management.clusters.operation_errors import cluster_operation
from management.clusters.service_account_tokens import AccountTokens
from management.clusters.verification import PROPAGATION_SECONDS, verify_impersonator
from management.errors import ClusterOperationFailed
from management.identity.users import random_id
from management.kubernetes.client import ClusterClient
from management.kubernetes.cluster_client import endpoint_of
from management.kubernetes.endpoint import ClusterCredential, ClusterEndpoint
from management.kubernetes.errors import ApiUntrusted
from store.access_records import Binding
from store.errors import RecordNotFound
from store.interfaces import Store
from store.records import Cluster, CredentialSource, UsernameMapping

LIFETIME = timedelta(hours=1)
"""How long a registration may be completed, and its name is reserved."""

MARGIN = timedelta(minutes=5)
"""How much longer the record is kept: a registration that began in time may end."""

AGENT_SERVERS = ("https://kubernetes.default.svc",)
"""The URL of an agent's API server: the name that its certificate has inside the cluster."""

_LOG = get_logger(__name__)


async def reserve(
    store: Store,
    name: str,
    username_mapping: UsernameMapping,
    now: datetime,
    *,
    cluster_id: str | None = None,
    owner: Binding | None = None,
) -> tuple[Cluster, str]:
    """Store a pending cluster and its ``owner``, with ``cluster_id`` or a random id.

    Return its record and its agent's token.

    Raises:
        Conflict: the name is taken.
    """
    cluster = Cluster(
        id=cluster_id or random_id("c"),
        name=checked_name(name),
        servers=AGENT_SERVERS,
        ca_pem=None,
        tls_server_name=None,
        impersonator_token="",
        controller_token=None,
        credential_source=CredentialSource.STATIC,
        tokens_expire_at=None,
        created_at=now,
        username_mapping=username_mapping,
        reach="agent",
    )
    await store.clusters.create(cluster, owner=owner)
    try:
        _, token = await issue_agent_token(store, cluster.id, now)
    except BaseException:
        await store.clusters.delete(cluster.id)
        raise
    return cluster, token


async def complete(
    store: Store,
    cluster: Cluster,
    ca_pem: str,
    tokens: AccountTokens,
    api_server: str | None,
) -> Cluster:
    """Verify the tokens through the agent's tunnel, and store them. Return the record.

    ``api_server`` is the host by which pods know the API server. It is the name in the certificate
    if ``kubernetes.default.svc`` is not.

    Raises:
        ClusterOperationFailed: the agent or the cluster does not respond, or refuses a token.
        ClusterKnown: the cluster is stored already. The reservation is removed.
        StaleRevision, RecordNotFound: the reservation has changed or was removed.
    """
    endpoint = replace(endpoint_of(cluster), servers=AGENT_SERVERS, ca_pem=ca_pem)
    names = [None] if api_server is None else [None, api_server]
    async with cluster_operation():
        endpoint, uid = await verified_endpoint(endpoint, tokens.controller, names)
        await _check_unknown(store, cluster, uid)
        await verify_impersonator(
            endpoint, tokens.impersonator, propagation_seconds=PROPAGATION_SECONDS
        )
    expires = tokens.expire_at is not None
    registered = replace(
        cluster,
        servers=endpoint.servers,
        ca_pem=ca_pem,
        tls_server_name=endpoint.tls_server_name,
        impersonator_token=tokens.impersonator,
        controller_token=tokens.controller,
        credential_source=CredentialSource.TOKEN_REQUEST if expires else CredentialSource.STATIC,
        tokens_expire_at=tokens.expire_at,
        uid=uid,
    )
    await store.clusters.replace(registered, revision=cluster.revision)
    return registered


async def verified_endpoint(
    endpoint: ClusterEndpoint, token: str, names: Sequence[str | None]
) -> tuple[ClusterEndpoint, str]:
    """Return the endpoint with the first of ``names`` that the certificate has, and the uid.

    Raises:
        ApiUntrusted: the certificate has none of the names, or another CA signed it.
        ClusterApiError: the cluster does not respond, or refuses the token.
        ClusterOperationFailed: the token's account may not read the uid.
    """
    refused: ApiUntrusted | None = None
    for name in names:
        named = replace(endpoint, tls_server_name=name)
        try:
            async with ClusterClient(named, ClusterCredential(token=token)) as client:
                uid = await cluster_uid(client)
        except ApiUntrusted as exc:
            refused = refused or exc
            continue
        if uid is None:
            raise ClusterOperationFailed(
                "the controller's token may not read the namespace kube-system, by whose uid "
                "Sekisho tells clusters apart: apply the whole manifest again"
            )
        return named, uid
    assert refused is not None, "there is at least one name"
    raise refused


async def _check_unknown(store: Store, cluster: Cluster, uid: str) -> None:
    """Raise ClusterKnown, and remove the reservation, if the cluster has another record."""
    stored = await store.clusters.list_all()
    known = next((one for one in stored if one.uid == uid and one.id != cluster.id), None)
    if known is not None:
        _LOG.warning("cluster is registered already", cluster=cluster.name, known=known.name)
        await store.clusters.delete(cluster.id)
        raise ClusterKnown(known)


async def remove_expired(store: Store, now: datetime) -> list[str]:
    """Remove registrations that were not completed in time. Return their names."""
    removed = []
    for cluster in await store.clusters.list_all():
        if cluster.is_pending and cluster.created_at + LIFETIME + MARGIN <= now:
            try:
                await store.clusters.delete(cluster.id)
            except RecordNotFound:
                continue  # Another replica was faster.
            _LOG.info("registration expired", cluster=cluster.name)
            removed.append(cluster.name)
    return removed
