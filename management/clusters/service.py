"""Import, add, move and remove clusters."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from config.loggers import get_logger
from management.clusters.clock import utc_now
from management.clusters.cluster_identity import (
    check_name_is_free,
    check_same,
    checked_name,
    cluster_uid,
    known_cluster,
)
from management.clusters.cluster_import import ClusterImport
from management.clusters.lookup import find_cluster
from management.clusters.operation_errors import cluster_operation
from management.clusters.uninstall import Uninstalled, uninstall
from management.clusters.verification import has_cluster_admin, verify_impersonator
from management.desired_state.apply import plan_install
from management.desired_state.diff import ObjectChange
from management.desired_state.installation import installation
from management.errors import AlreadyExists, ClusterOperationFailed, InvalidRequest
from management.kubernetes.client import ClusterClient
from management.kubernetes.cluster_client import controller_client
from management.kubernetes.endpoint import ClusterCredential, ClusterEndpoint
from management.kubernetes.errors import ClusterApiError
from management.kubernetes.validation import text
from store.access_records import Binding
from store.errors import Conflict, RecordNotFound
from store.interfaces import Store
from store.records import Cluster, CredentialSource, ImpersonatorMode, UsernameMapping

_LOG = get_logger(__name__)

SHOWN_ORDERS = 5
"""Orders that an error names."""


@dataclass(frozen=True, slots=True)
class ImportResult:
    """The result of an import; of a dry run, if ``cluster`` is None.

    ``version`` is the Kubernetes version of the cluster.
    """

    cluster: Cluster | None
    changes: tuple[ObjectChange, ...]
    version: str


@dataclass(frozen=True, slots=True)
class AddResult:
    """The result of adding a cluster. ``warnings`` are sentences for the operator."""

    cluster: Cluster
    version: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RemoveResult:
    """The result of removing a cluster: what was deleted in it, and what was left to others."""

    cluster: Cluster
    objects: Uninstalled

    @property
    def deleted(self) -> tuple[str, ...]:
        """Return the titles of the objects that were deleted."""
        return self.objects.deleted


class ClusterService:
    """Imports, adds, moves and removes clusters. Raises ManagementError and StoreError."""

    def __init__(self, store: Store, *, now: Callable[[], datetime] = utc_now) -> None:
        self._store = store
        self._import = ClusterImport(store, now=now)

    async def import_cluster(
        self,
        name: str,
        endpoint: ClusterEndpoint,
        administrator: ClusterCredential,
        *,
        dry_run: bool = False,
        long_lived: bool = False,
        username_mapping: UsernameMapping | None = None,
        impersonator: ImpersonatorMode | None = None,
        moved: bool = False,
        cluster_id: str | None = None,
        owner: Binding | None = None,
    ) -> ImportResult:
        """Create Sekisho's service accounts and their rights in a cluster, and store the cluster.

        ``administrator`` is used for the import and not stored. A cluster that is stored under that
        name gets new tokens and the objects that it lacks. Its id, its members, and settings that
        are not given (``username_mapping``, ``impersonator``) are kept. ``moved`` states that its
        address or CA has changed; it must still be the same cluster. A cluster that is not stored
        yet gets ``cluster_id``, or a random id, and is stored together with ``owner``.
        """
        stored = await self._store.clusters.list_all()
        check_name_is_free(stored, checked_name(name), endpoint, replace=moved)
        async with cluster_operation(), ClusterClient(endpoint, administrator) as client:
            version = text((await client.get("/version")).get("gitVersion"), 100) or "unknown"
            uid = await cluster_uid(client)
            known = known_cluster(stored, name, endpoint, uid)
            if known is not None:
                check_same(known, uid)
            changes = tuple(await plan_install(client, installation(long_lived=long_lived)))
            if dry_run:
                return ImportResult(None, changes, version)
            draft = self._import.draft(
                name,
                endpoint,
                known,
                uid,
                username_mapping=username_mapping,
                impersonator=impersonator,
                cluster_id=cluster_id,
            )
            cluster = await self._import.install(
                client, changes, draft, known, long_lived=long_lived, owner=owner
            )
            if known is not None:
                await self._import.complete(client, known, cluster)
        return ImportResult(cluster, changes, version)

    async def move(
        self, cluster: Cluster, endpoint: ClusterEndpoint, administrator: ClusterCredential
    ) -> Cluster:
        """Replace the address, CA and tokens of a stored cluster, which must be the same one.

        Other fields of ``cluster`` that differ from the stored record are stored as well. The
        tokens are always new: existing tokens are never sent to a new address.

        Raises:
            StaleRevision: the stored cluster has changed since it was read.
        """
        stored = await self._store.clusters.list_all()
        async with cluster_operation(), ClusterClient(endpoint, administrator) as client:
            uid = await cluster_uid(client)
            check_same(cluster, uid)
            others = [one for one in stored if one.id != cluster.id]
            known_cluster(others, cluster.name, endpoint, uid)
            in_secrets = cluster.credential_source is CredentialSource.SECRET
            changes = await plan_install(client, installation(long_lived=in_secrets))
            draft = self._import.draft(cluster.name, endpoint, cluster, uid)
            changed = await self._import.install(
                client, changes, draft, cluster, long_lived=in_secrets, revision=cluster.revision
            )
            await self._import.complete(client, cluster, changed)
        return changed

    async def add(
        self,
        name: str,
        endpoint: ClusterEndpoint,
        impersonator_token: str,
        *,
        controller_token: str | None = None,
        username_mapping: UsernameMapping | None = None,
        expire_at: datetime | None = None,
    ) -> AddResult:
        """Store a cluster whose service accounts were created by hand.

        With a controller token, Sekisho's administrators are bound. Without one, nothing is changed
        in the cluster, now or later. ``expire_at``: both tokens come from the TokenRequest API, and
        are renewed before that time.
        """
        stored = await self._store.clusters.list_all()
        check_name_is_free(stored, checked_name(name), endpoint)
        uid = await _uid_by_token(endpoint, controller_token) if controller_token else None
        if (known := known_cluster(stored, name, endpoint, uid)) is not None:
            raise AlreadyExists(f'the cluster is here already as "{known.name}"; remove it first')
        cluster = replace(
            self._import.draft(name, endpoint, None, uid, username_mapping=username_mapping),
            impersonator_token=impersonator_token,
            controller_token=controller_token,
            tokens_expire_at=expire_at,
        )
        if expire_at is not None:
            cluster = replace(cluster, credential_source=CredentialSource.TOKEN_REQUEST)
        warnings = []
        async with cluster_operation():
            version = await verify_impersonator(endpoint, impersonator_token)
            if await has_cluster_admin(endpoint, impersonator_token):
                warnings.append(
                    "the token may do anything in the cluster; one that may only impersonate "
                    "would be safer (see docs/clusters.md)"
                )
            if controller_token is None:
                await self._store.clusters.create(cluster)
                warnings.append("no controller token: bind users and administrators by hand")
            else:
                await self._import.create_bound(cluster)
        return AddResult(cluster, version, tuple(warnings))

    async def remove(self, id_or_name: str, *, keep_cluster_objects: bool = False) -> RemoveResult:
        """Uninstall Sekisho from a cluster, then delete the cluster and its members in the store.

        ``keep_cluster_objects`` changes nothing in the cluster, for one that no longer exists.

        Raises:
            Conflict: the cluster is a management cluster that has orders.
        """
        cluster = await find_cluster(self._store, id_or_name)
        await self._require_no_orders(cluster)
        objects = Uninstalled((), untouched=not cluster.is_pending)
        if not keep_cluster_objects:
            try:
                projects = await self._store.projects.list_all(cluster.id)
                async with controller_client(cluster) as client:
                    objects = await uninstall(client, cluster.id, [one.id for one in projects])
            except (ClusterApiError, InvalidRequest) as exc:
                raise ClusterOperationFailed(
                    f"{exc}; nothing was removed: resolve that, or remove the cluster here only "
                    "with --keep-cluster-objects"
                ) from exc
        with suppress(RecordNotFound):  # Another removal of it was faster.
            await self._store.clusters.delete(cluster.id)
        if objects.left:
            _LOG.warning("objects are left in the cluster", cluster=cluster.name, left=objects.left)
        return RemoveResult(cluster, objects)

    async def _require_no_orders(self, cluster: Cluster) -> None:
        """Raise Conflict before anything is uninstalled; the store checks it again."""
        ordered = [
            one.name
            for one in await self._store.orders.list_all()
            if one.management_id == cluster.id and not one.release
        ]
        if ordered:
            names = ", ".join(ordered[:SHOWN_ORDERS])
            raise Conflict(
                f'cluster "{cluster.name}" is a management cluster with {len(ordered)} orders '
                f"({names}): delete or release them first"
            )


async def _uid_by_token(endpoint: ClusterEndpoint, token: str) -> str | None:
    credential = ClusterCredential(token=token)
    async with cluster_operation(), ClusterClient(endpoint, credential) as client:
        return await cluster_uid(client)
