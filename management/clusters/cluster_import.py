"""Install Sekisho in a cluster and store the cluster: both, or neither.

An import is planned first and then applied, verified at every API server and only then stored. If a
step fails, the objects that were created are deleted again.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from management.clusters.reach_change import forget_agent
from management.clusters.rollback import describe_leftovers, roll_back
from management.clusters.service_account_tokens import AccountTokens, await_secrets, request_tokens
from management.clusters.verification import PROPAGATION_SECONDS, verify_impersonator
from management.desired_state.apply import apply_install, install_object
from management.desired_state.diff import ObjectChange
from management.desired_state.installation import administrators_binding, token_secrets
from management.desired_state.sync import reconcile_now
from management.errors import ClusterOperationFailed
from management.identity.users import random_id
from management.kubernetes.client import ClusterClient
from management.kubernetes.cluster_client import controller_client
from management.kubernetes.endpoint import ClusterEndpoint
from management.kubernetes.errors import ClusterApiError
from management.kubernetes.manifests import Manifest, is_managed, path_of
from store.access_records import Binding
from store.errors import StaleRevision, StoreError
from store.interfaces import Store
from store.records import Cluster, CredentialSource, ImpersonatorMode, UsernameMapping


class ClusterImport:
    """The steps of an import that change a cluster or the store."""

    def __init__(self, store: Store, *, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now

    def draft(
        self,
        name: str,
        endpoint: ClusterEndpoint,
        known: Cluster | None,
        uid: str | None,
        *,
        username_mapping: UsernameMapping | None = None,
        impersonator: ImpersonatorMode | None = None,
        cluster_id: str | None = None,
    ) -> Cluster:
        """Return the record of a cluster, still without tokens.

        ``known`` is the record to replace: its id, and settings that are not given, are kept.
        ``cluster_id`` is that of a new record; by default a random one.
        """
        return Cluster(
            id=known.id if known else cluster_id or random_id("c"),
            name=name,
            servers=endpoint.servers,
            ca_pem=endpoint.ca_pem,
            tls_server_name=endpoint.tls_server_name,
            impersonator_token="",
            controller_token=None,
            credential_source=CredentialSource.STATIC,
            tokens_expire_at=None,
            created_at=known.created_at if known else self._now(),
            username_mapping=username_mapping or (known.username_mapping if known else "id"),
            impersonator=impersonator or (known.impersonator if known else "shared"),
            revision=known.revision if known else 1,
            uid=uid or (known.uid if known else None),
            trusted_addresses=tuple(sorted(endpoint.addresses.trusted)),
            labels=known.labels if known else {},
            addresses=endpoint.addresses,
            reach="direct" if endpoint.dialer is None else "agent",
            dialer=endpoint.dialer,
        )

    async def install(
        self,
        client: ClusterClient,
        changes: Sequence[ObjectChange],
        draft: Cluster,
        known: Cluster | None,
        *,
        long_lived: bool,
        revision: int | None = None,
        owner: Binding | None = None,
    ) -> Cluster:
        """Make planned changes, get tokens, verify them and store the cluster. Return its record.

        A new cluster is stored together with ``owner``.

        Raises:
            StaleRevision: the stored cluster no longer has ``revision``.
            ClusterOperationFailed: a step failed. The message lists objects that remain.
        """
        created: list[Manifest] = []
        try:
            await apply_install(client, changes, created)
            tokens = await (await_secrets(client) if long_lived else request_tokens(client))
            await verify_impersonator(
                client.endpoint, tokens.impersonator, propagation_seconds=PROPAGATION_SECONDS
            )
            cluster = _with_tokens(draft, tokens, long_lived)
            if known:
                await self._store.clusters.replace(cluster, revision=revision)
            else:
                await self._store.clusters.create(cluster, owner=owner)
        except BaseException as exc:
            if isinstance(exc, StoreError) and await self._is_stored_elsewhere(draft):
                raise  # The objects belong to another import that ran at the same time.
            remaining = await roll_back(client, created)
            if isinstance(exc, StaleRevision):
                raise
            if isinstance(exc, ClusterApiError | StoreError):
                raise ClusterOperationFailed(f"{exc}; {describe_leftovers(remaining)}") from exc
            raise
        return cluster

    async def complete(self, client: ClusterClient, before: Cluster, after: Cluster) -> None:
        """Remove what the new record of a known cluster does not use, and bind its users.

        If agents reached the cluster before, their tokens are revoked.

        Raises:
            ClusterOperationFailed: the users could not be bound.
        """
        had_secrets = before.credential_source is CredentialSource.SECRET
        if had_secrets and after.credential_source is not CredentialSource.SECRET:
            await _delete_token_secrets(client)
        if before.reach == "agent" and after.reach == "direct":
            await forget_agent(self._store, after)
        try:
            await reconcile_now(self._store, after, None)
        except ClusterApiError as exc:
            raise ClusterOperationFailed(f"imported, but users may not be bound: {exc}") from exc

    async def create_bound(self, cluster: Cluster) -> None:
        """Bind Sekisho's administrators in a cluster and store it: both, or neither."""
        async with controller_client(cluster) as client:
            binding = administrators_binding()
            is_new = await install_object(client, binding)
            try:
                await self._store.clusters.create(cluster)
            except BaseException:
                await roll_back(client, [binding] if is_new else [])
                raise

    async def _is_stored_elsewhere(self, draft: Cluster) -> bool:
        """Return whether the same cluster is stored under another id."""
        try:
            stored = await self._store.clusters.list_all()
        except StoreError:
            return False
        return any(
            one.id != draft.id and draft.uid is not None and one.uid == draft.uid for one in stored
        )


def _with_tokens(draft: Cluster, tokens: AccountTokens, long_lived: bool) -> Cluster:
    source = CredentialSource.SECRET if long_lived else CredentialSource.TOKEN_REQUEST
    return replace(
        draft,
        impersonator_token=tokens.impersonator,
        controller_token=tokens.controller,
        credential_source=source,
        tokens_expire_at=tokens.expire_at,
    )


async def _delete_token_secrets(client: ClusterClient) -> None:
    """Delete the long-lived tokens of an earlier import: only a thief could still use them."""
    for secret in token_secrets():
        found = await client.find(path_of(secret))
        if found is not None and is_managed(found):
            await client.delete(path_of(secret))
