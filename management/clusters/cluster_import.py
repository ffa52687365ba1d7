"""Clusters: letting Sekisho into one, and taking it out again.

An import is planned first and then carried out, verified at every master and only then stored; what
fails on the way is taken back, so that neither side is left with a half of it.
"""

import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from management.cluster_errors import AlreadyThere, BadRequest, DownstreamFailed
from management.cluster_records import controller_client, find_cluster, utc_now
from management.downstream import objects
from management.downstream.accounts import AccountTokens, await_secrets, request_tokens
from management.downstream.apply import Step, carry_out, ensure, leftovers, plan, take_back
from management.downstream.client import ClusterClient
from management.downstream.endpoint import Credential, Endpoint
from management.downstream.errors import DownstreamError
from management.downstream.objects import Manifest
from management.downstream.removal import take_out
from management.downstream.verify import may_do_anything, verify_impersonator
from management.settling import settle
from management.users import random_id
from store.interfaces import Cluster, CredentialSource, Isolation, Store, StoreError, SubjectName

NAME = re.compile(r"^[a-z0-9](?:[-a-z0-9.]{0,61}[a-z0-9])?$")
"""What a cluster may be called."""

ID = re.compile(r"c-[a-z2-7]{10}")


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, or (``cluster`` None) would do. ``version`` is the cluster's."""

    cluster: Cluster | None
    steps: tuple[Step, ...]
    version: str


@dataclass(frozen=True, slots=True)
class Added:
    """A cluster that was added by hand. ``warnings`` are sentences for the operator."""

    cluster: Cluster
    version: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Removed:
    """What was deleted downstream: titles of objects. Empty where nothing was to be."""

    cluster: Cluster
    deleted: tuple[str, ...]


class ClusterService:
    """Imports, adds and removes clusters. Raises ClusterError and StoreError."""

    def __init__(self, store: Store, *, now: Callable[[], datetime] = utc_now) -> None:
        self._store = store
        self._now = now

    async def import_cluster(
        self,
        name: str,
        endpoint: Endpoint,
        administrator: Credential,
        *,
        dry_run: bool = False,
        long_lived: bool = False,
        user_name: SubjectName | None = None,
        isolation: Isolation | None = None,
    ) -> Imported:
        """Make our accounts and their rights in a cluster, and store it with fresh tokens.

        ``administrator`` is used for that and not kept. A cluster that is here already under that
        name gets what it lacks, and new tokens; its id and who may enter it stay, and so does the
        name it knows users by unless ``user_name`` says another; so with ``isolation``.
        """
        known = await self._known(name, endpoint)
        async with _translated(), ClusterClient(endpoint, administrator) as client:
            version = str((await client.get("/version")).get("gitVersion"))
            steps = tuple(await plan(client, objects.setup(long_lived=long_lived)))
            if dry_run:
                return Imported(None, steps, version)
            draft = self._draft(name, endpoint, user_name, known, isolation)
            cluster = await self._carry_out(client, steps, draft, known, long_lived)
            if known is not None:
                await self._follow_up(client, known, cluster)
        return Imported(cluster, steps, version)

    async def add(
        self,
        name: str,
        endpoint: Endpoint,
        impersonator_token: str,
        *,
        controller_token: str | None = None,
        user_name: SubjectName | None = None,
        expire_at: datetime | None = None,
    ) -> Added:
        """Store a cluster whose accounts were made by hand.

        With a controller's token the administrators are bound; without one nothing is changed
        downstream, now or later. ``expire_at``: both tokens were asked for (TokenRequest), and are
        renewed before then.
        """
        if await self._known(name, endpoint) is not None:
            raise AlreadyThere(f'the cluster is here already as "{name}"; remove it first')
        cluster = replace(
            self._draft(name, endpoint, user_name, None),
            impersonator_token=impersonator_token,
            controller_token=controller_token,
            tokens_expire_at=expire_at,
        )
        if expire_at is not None:
            cluster = replace(cluster, credential_source=CredentialSource.TOKEN_REQUEST)
        warnings = []
        async with _translated():
            version = await verify_impersonator(endpoint, impersonator_token)
            if await may_do_anything(endpoint, impersonator_token):
                warnings.append(
                    "the token may do anything in the cluster; one that may only impersonate "
                    "would be safer (see docs/clusters.md)"
                )
            if controller_token is None:
                await self._store.clusters.create(cluster)
                warnings.append("no controller token: bind users and administrators by hand")
            else:
                await self._create_bound(cluster)
        return Added(cluster, version, tuple(warnings))

    async def remove(self, id_or_name: str, *, keep_downstream: bool = False) -> Removed:
        """Take Sekisho out of a cluster, then forget the cluster and who may enter it.

        ``keep_downstream`` leaves the cluster itself alone, as where it is gone for good.
        """
        cluster = await find_cluster(self._store, id_or_name)
        deleted: list[str] = []
        if not keep_downstream:
            try:
                async with controller_client(cluster) as client:
                    deleted = await take_out(client)
            except (DownstreamError, BadRequest) as exc:
                raise DownstreamFailed(
                    f"{exc}; nothing was forgotten: mend that, or remove the cluster here only "
                    "with --keep-downstream"
                ) from exc
        await self._store.clusters.delete(cluster.id)
        return Removed(cluster, tuple(deleted))

    async def _known(self, name: str, endpoint: Endpoint) -> Cluster | None:
        """The cluster that is here under ``name`` already, if it is the same one.

        Raises AlreadyThere where it is another, or where it is here under another name: two records
        of one cluster would share accounts, and removing one would break the other.
        """
        if not NAME.fullmatch(name) or ID.fullmatch(name):
            raise BadRequest(
                f"{name!r} can't be a cluster's name: up to 63 of a-z, 0-9, '-' and '.', "
                "not like an id (c-…)"
            )
        for cluster in await self._store.clusters.list_all():
            same = _same_place(cluster, endpoint)
            if cluster.name == name and not same:
                raise AlreadyThere(
                    f'there is a cluster "{name}" already, at {cluster.servers[0]}; '
                    "choose another name, or remove that one"
                )
            if same and cluster.name != name:
                raise AlreadyThere(f'this cluster is here already, as "{cluster.name}"')
            if same:
                return cluster
        return None

    def _draft(
        self,
        name: str,
        endpoint: Endpoint,
        user_name: SubjectName | None,
        known: Cluster | None,
        isolation: Isolation | None = None,
    ) -> Cluster:
        """The record, still without tokens."""
        return Cluster(
            id=known.id if known else random_id("c"),
            name=name,
            servers=endpoint.servers,
            ca_pem=endpoint.ca_pem,
            tls_server_name=endpoint.tls_server_name,
            impersonator_token="",
            controller_token=None,
            credential_source=CredentialSource.STATIC,
            tokens_expire_at=None,
            created_at=known.created_at if known else self._now(),
            user_name=user_name or (known.user_name if known else "id"),
            isolation=isolation or (known.isolation if known else "shared"),
            revision=known.revision if known else 1,
        )

    async def _carry_out(
        self,
        client: ClusterClient,
        steps: Sequence[Step],
        draft: Cluster,
        known: Cluster | None,
        long_lived: bool,
    ) -> Cluster:
        created: list[Manifest] = []
        try:
            await carry_out(client, steps, created)
            tokens = await (await_secrets(client) if long_lived else request_tokens(client))
            await verify_impersonator(client.endpoint, tokens.impersonator, settling=True)
            cluster = _with_tokens(draft, tokens, long_lived)
            await (self._store.clusters.replace if known else self._store.clusters.create)(cluster)
        except BaseException as exc:
            left = await take_back(client, created)
            if isinstance(exc, DownstreamError | StoreError):
                raise DownstreamFailed(f"{exc}; {leftovers(left)}") from exc
            raise
        return cluster

    async def _follow_up(self, client: ClusterClient, before: Cluster, now: Cluster) -> None:
        """After importing again: nothing stays that the new record doesn't account for."""
        had_secrets = before.credential_source is CredentialSource.SECRET
        if had_secrets and now.credential_source is not CredentialSource.SECRET:
            await _drop_secrets(client)
        try:
            await settle(self._store, now, None)
        except DownstreamError as exc:
            raise DownstreamFailed(f"imported, but users may not be bound: {exc}") from exc

    async def _create_bound(self, cluster: Cluster) -> None:
        """Bind the administrators and store the cluster, both or none."""
        async with controller_client(cluster) as client:
            binding = objects.administrators_binding()
            new = await ensure(client, binding)
            try:
                await self._store.clusters.create(cluster)
            except BaseException:
                await take_back(client, [binding] if new else [])
                raise


def _with_tokens(draft: Cluster, tokens: AccountTokens, long_lived: bool) -> Cluster:
    source = CredentialSource.SECRET if long_lived else CredentialSource.TOKEN_REQUEST
    return replace(
        draft,
        impersonator_token=tokens.impersonator,
        controller_token=tokens.controller,
        credential_source=source,
        tokens_expire_at=tokens.expire_at,
    )


async def _drop_secrets(client: ClusterClient) -> None:
    """Long-lived tokens of an earlier import are of no use any more, but to a thief."""
    for secret in objects.secrets():
        found = await client.find(objects.path_of(secret))
        if found is not None and objects.is_ours(found):
            await client.delete(objects.path_of(secret))


def _same_place(cluster: Cluster, endpoint: Endpoint) -> bool:
    """Whether an endpoint is that cluster: a master in common, verified in the same way."""
    return bool(set(cluster.servers) & set(endpoint.servers)) and (
        (cluster.ca_pem or "").split() == (endpoint.ca_pem or "").split()
    )


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except DownstreamError as exc:
        raise DownstreamFailed(str(exc)) from exc
