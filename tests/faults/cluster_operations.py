"""Each path on which Sekisho reads a response of a cluster, as an operation on a real client."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from impersonation.identity import Subject
from impersonation.nested import ImpersonationPermission
from management.clusters import service_account_tokens, verification
from management.clusters.project_namespaces import ProjectNamespaces
from management.clusters.service import ClusterService
from management.clusters.token_renewal import TokenRenewer
from management.clusters.uninstall import uninstall
from management.clusters.user_tokens import UserServiceAccountTokens
from management.controllers.cluster_status import ClusterStatusObserver
from management.controllers.reconciler import ClusterReconciler
from management.desired_state.apply import plan_install
from management.desired_state.installation import installation
from management.desired_state.sync import reconcile_now
from management.kubernetes.client import ClusterClient
from management.kubernetes.connection import ClientLimits
from management.kubernetes.endpoint import ClusterCredential, ClusterEndpoint
from proxy.upstream.access_review import AccessReviewer
from store.interfaces import Store
from store.records import Cluster
from tests.proxy.request_contexts import authenticated_token
from tests.support.addresses import LOOPBACK_ALLOWED
from tests.support.waiting import eventually

PATH = "/api/v1/things"

SMALL_LIMITS = ClientLimits(max_response_bytes=1024 * 1024, max_pages=30)
"""Smaller limits, so that reaching them with each of the client's methods does not take minutes."""


class World:
    """A hostile cluster, and all clients that Sekisho uses for it."""

    def __init__(
        self, store: Store, cluster: Cluster, endpoint: ClusterEndpoint, context: object
    ) -> None:
        self.store = store
        self.cluster = cluster
        self.endpoint = endpoint
        self.client = ClusterClient(endpoint, ClusterCredential(token="t"), limits=SMALL_LIMITS)
        self.reviews = AccessReviewer(cluster, context)  # type: ignore[arg-type]


async def watch(world: World) -> None:
    async for _ in world.client.watch(PATH, "1"):
        pass


async def observe(world: World) -> None:
    observer = ClusterStatusObserver(
        world.store,
        world.cluster,
        world.client,
        rbac_error=lambda: None,
        is_leader=lambda: True,
        full=True,
    )

    async def written() -> bool:
        return await world.store.fleet.status(world.cluster.id) is not None

    await _for_a_while(observer.run(), written)


async def keep(world: World) -> None:
    reconciler = ClusterReconciler(world.store, world.cluster, world.client, lambda: True)

    async def tried() -> bool:
        known = (one.synced.is_set() or one.error is not None for one in reconciler.collections)
        return all(known) or reconciler.error is not None

    await _for_a_while(reconciler.run(), tried)


async def _for_a_while(work: Awaitable[None], done: Callable[[], Awaitable[bool]]) -> None:
    """Run an endless operation until it has done something; raise its errors."""
    task = asyncio.ensure_future(work)
    try:

        async def done_or_ended() -> bool:
            return task.done() or await done()

        await eventually(done_or_ended, 60)
        # One more round, in which the data is processed.
        await asyncio.sleep(0.2)
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def make_namespace(world: World) -> None:
    inside = ProjectNamespaces(world.store, world.cluster)
    found, before = await inside.current("x")
    await inside.move(None, found, before)


async def import_cluster(world: World) -> None:
    await ClusterService(world.store).import_cluster(
        "other",
        ClusterEndpoint((world.endpoint.servers[0],), None, addresses=LOOPBACK_ALLOWED),
        ClusterCredential(token="t"),
    )


async def enter_with_an_account(world: World) -> None:
    await UserServiceAccountTokens(world.store).token(world.cluster, authenticated_token())


async def review_with_the_gate(world: World) -> None:
    await world.reviews.first_denied(Subject("alice"), [ImpersonationPermission("users", "jane")])


PATHS: dict[str, Callable[[World], Awaitable[object]]] = {
    "get": lambda world: world.client.get("/version"),
    "find": lambda world: world.client.find(f"{PATH}/x"),
    "list": lambda world: world.client.list_all(PATH),
    "watch": watch,
    "post": lambda world: world.client.post(PATH, {"spec": {}}),
    "create": lambda world: world.client.create(PATH, {"metadata": {"name": "x"}}),
    "put": lambda world: world.client.put(f"{PATH}/x", {"metadata": {"name": "x"}}),
    "patch": lambda world: world.client.patch(f"{PATH}/x", {"metadata": {}}),
    "apply": lambda world: world.client.apply(f"{PATH}/x", {"metadata": {}}, dry_run=True),
    "delete": lambda world: world.client.delete(f"{PATH}/x", "u"),
    "access review": review_with_the_gate,
    "verify an impersonator": lambda world: verification.verify_impersonator(
        world.endpoint, "t", propagation_seconds=0.2
    ),
    "ask what a token may": lambda world: verification.has_cluster_admin(world.endpoint, "t"),
    "service account tokens": lambda world: service_account_tokens.request_tokens(world.client),
    "tokens in Secrets": lambda world: service_account_tokens.await_secrets(
        world.client, seconds=0.2
    ),
    "plan an import": lambda world: plan_install(world.client, installation()),
    "import": import_cluster,
    "settle": lambda world: reconcile_now(world.store, world.cluster, None),
    "remove": lambda world: uninstall(world.client, world.cluster.id),
    "renew": lambda world: TokenRenewer(
        world.store, now=lambda: datetime.now(UTC) + timedelta(days=30)
    ).renew_due(),
    "a user's account": enter_with_an_account,
    "a namespace": make_namespace,
    "observe": observe,
    "keep": keep,
}


def with_real_limits(world: World) -> ClusterClient:
    """Return a client with the limits that are not reduced for the test."""
    return ClusterClient(world.endpoint, ClusterCredential(token="t"))
