"""Hostile responses of a cluster, on every path on which Sekisho reads its responses.

One server on a real socket sends the same response to every request. Each operation must end, with
a known error, and take no more memory than a few responses may.
"""

import asyncio
import gzip
import itertools
import json
import resource
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from impersonation.identity import Subject
from impersonation.nested import ImpersonationPermission
from management.clusters import service_account_tokens, verification
from management.clusters.project_namespaces import ProjectNamespaces
from management.clusters.service import ClusterService
from management.clusters.token_renewal import TokenRenewer
from management.clusters.uninstall import uninstall
from management.clusters.user_tokens import ServiceAccountMissing, UserServiceAccountTokens
from management.controllers.cluster_status import ClusterStatusObserver
from management.controllers.reconciler import ClusterReconciler
from management.desired_state import apply
from management.desired_state.apply import plan_install
from management.desired_state.installation import installation
from management.desired_state.sync import reconcile_now
from management.errors import ManagementError
from management.kubernetes import client
from management.kubernetes.client import ClusterClient
from management.kubernetes.connection import ClientLimits
from management.kubernetes.endpoint import ClusterCredential, ClusterEndpoint
from management.kubernetes.errors import ClusterApiError
from proxy.transport.certificates import KeyPair
from proxy.transport.client_tls import ClientTLSContexts
from proxy.upstream.access_review import AccessReviewer, ReviewFailed
from store.database import open_store
from store.encryption import Keyring, generate_key
from store.interfaces import Store
from store.records import Cluster, CredentialSource
from tests.proxy.request_contexts import authenticated_token
from tests.store.records import a_cluster
from tests.support.addresses import LOOPBACK_ALLOWED
from tests.support.scripted_api_server import (
    ReceivedRequest,
    Script,
    ScriptedApiServer,
    issue,
    make_authority,
)
from tests.support.waiting import eventually

MiB = 1024 * 1024

MOST_GROWTH = 200 * MiB
"""How much the process may grow: the server's part of it, and a few answers that are being read."""

CLEAN = (ClusterApiError, ManagementError, ReviewFailed, ServiceAccountMissing)
"""The errors that each caller knows. Anything else is a 500, or the end of a controller."""

PATH = "/api/v1/things"


class Everywhere(dict[str, Script]):
    """Scripts by path, with one script for all paths."""

    def __init__(self, script: Script) -> None:
        super().__init__()
        self._script = script

    def get(self, key: str, default: object = None) -> Script:
        return self._script


def whole(body: bytes, *lines: bytes) -> Script:
    """Return a script that sends a complete body; the status is 201 for POST."""

    async def script(received: ReceivedRequest) -> None:
        status = b"201 Created" if received.line.startswith("POST") else b"200 OK"
        head = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), b"Connection: close"]
        await received.send(b"\r\n".join([*head, *lines, b"", b""]), body)
        received.writer.close()

    return script


def endless(begin: bytes, again: bytes) -> Script:
    """Return a script that never ends its response."""

    async def script(received: ReceivedRequest) -> None:
        status = b"201 Created" if received.line.startswith("POST") else b"200 OK"
        await received.send(b"HTTP/1.1 %b\r\n\r\n" % status, begin)
        while True:
            await received.send(again)

    return script


def pages(token: Callable[[int], str], size: int = 50) -> Script:
    """Return a script for an endless list: each page has a continue token."""
    numbers = itertools.count()

    async def script(received: ReceivedRequest) -> None:
        page = next(numbers)
        items = [
            {"metadata": {"name": f"n{page}-{n}", "uid": f"{page}-{n}", "namespace": "x"}}
            for n in range(size)
        ]
        metadata = {"continue": token(page), "resourceVersion": "1", "name": "x", "uid": "x"}
        await whole(json.dumps({"items": items, "metadata": metadata}).encode())(received)

    return script


def asked_as_json(value: object) -> Script:
    return whole(json.dumps(value).encode())


GOOD = {"name": "x", "uid": "u", "resourceVersion": "1"}

ANSWERS: dict[str, Callable[[], Script]] = {
    "an endless body": lambda: endless(b'{"items": [', b"{}," * 20_000),
    "an endless text": lambda: endless(b'{"metadata": {"name": "', b"x" * 65536),
    "endless white space": lambda: endless(b"", b" " * 65536),
    "one endless line of a watch": lambda: endless(b'{"type": "ADDED', b"x" * 65536),
    "a gzip bomb": lambda: whole(bomb(), b"Content-Encoding: gzip"),
    "a bomb that is called deflate": lambda: whole(bomb(), b"Content-Encoding: deflate"),
    "an encoding that was not asked for": lambda: whole(b"{}", b"Content-Encoding: br"),
    "many small values": lambda: whole(b'{"items": [' + b",".join([b"[]"] * 2_000_000) + b"]}"),
    "endless pages": lambda: pages(lambda page: f"t{page}"),
    "the same page again and again": lambda: pages(lambda page: "t"),
    "two pages in turn": lambda: pages(lambda page: f"t{page % 2}"),
    "a huge token": lambda: pages(lambda page: "t" * 100_000),
    "deep nesting": lambda: whole(b"[" * 200_000 + b"]" * 200_000),
    "deep nesting of a field": lambda: whole(
        b'{"metadata": {"name": "x", "uid": "u", "labels": '
        + b'{"a":' * 5_000
        + b"1"
        + b"}" * 5_000
        + b"}}"
    ),
    "NaN": lambda: whole(b'{"status": {"allowed": NaN}, "metadata": {"name": "x"}}'),
    "half a surrogate": lambda: whole(b'{"gitVersion": "v1\\ud800", "metadata": {"name": "x"}}'),
    "NUL": lambda: whole(b'{"gitVersion": "v\\u0000", "status": {"token": "a\\u0000"}}'),
    "nothing": lambda: whole(b""),
    "not JSON": lambda: whole(b"<html>sign in</html>"),
}

WRONG_TYPES: list[object] = [
    None,
    7,
    "text",
    [],
    [1],
    {},
    {"metadata": None, "items": None, "status": None, "spec": None, "data": None},
    {"metadata": [], "items": {}},
    {"metadata": {"name": 7}, "items": [None, 7, [], {}, {"metadata": []}]},
    {"metadata": GOOD | {"labels": []}, "items": [{"metadata": GOOD | {"uid": []}}]},
    {"metadata": {"resourceVersion": {}, "continue": []}, "items": []},
    {"metadata": {"resourceVersion": 1}, "items": [{"metadata": {"name": "a"}}]},
    {"status": "text", "data": "text", "metadata": GOOD},
    {"status": {"token": 7, "expirationTimestamp": 7}, "gitVersion": 7},
    {"status": {"token": "t", "expirationTimestamp": "2026-01-01T00:00:00"}},
    {"status": {"token": "a\r\nb: c", "expirationTimestamp": "2099-01-01T00:00:00Z"}},
    {"status": {"allowed": [], "denied": {}}, "gitVersion": [], "metadata": GOOD},
    {"data": {"token": 7, "x": []}, "metadata": GOOD},
    {"data": {"token": "%%%"}, "metadata": GOOD | {"creationTimestamp": 7}},
    {"items": [{"metadata": GOOD, "status": {"capacity": [], "conditions": {}}}]},
    {
        "items": [
            {
                "metadata": GOOD,
                "status": {
                    "capacity": {"cpu": {}, "memory": []},
                    "conditions": [7, {"type": []}],
                    "addresses": [None, {"address": {}}],
                    "nodeInfo": 7,
                },
                "spec": {"unschedulable": []},
                "usage": {"cpu": [], "memory": "many"},
                "involvedObject": {"name": []},
                "series": {"count": []},
                "count": -1,
                "roleRef": {"name": []},
                "subjects": 7,
                "rules": "x",
                "lastTimestamp": {},
            }
        ]
    },
]

ANSWERS |= {
    f"wrong types: {json.dumps(value)[:60]}": partial(asked_as_json, value) for value in WRONG_TYPES
}


def bomb() -> bytes:
    """Return 200 KB that decompress to 200 MiB."""
    if not _BOMBS:
        _BOMBS.append(gzip.compress(b" " * (200 * MiB), 9))
    return _BOMBS[0]


_BOMBS: list[bytes] = []


class World:
    """A hostile cluster, and all clients that Sekisho uses for it."""

    def __init__(
        self, store: Store, cluster: Cluster, endpoint: ClusterEndpoint, context: object
    ) -> None:
        self.store = store
        self.cluster = cluster
        self.endpoint = endpoint
        self.client = ClusterClient(endpoint, ClusterCredential(token="t"))
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
        world.endpoint, "t", new_rights=True
    ),
    "ask what a token may": lambda world: verification.has_cluster_admin(world.endpoint, "t"),
    "service account tokens": lambda world: service_account_tokens.request_tokens(world.client),
    "tokens in Secrets": lambda world: service_account_tokens.await_secrets(world.client),
    "plan an import": lambda world: plan_install(world.client, installation()),
    "import": import_cluster,
    "settle": lambda world: reconcile_now(world.store, world.cluster, None),
    "remove": lambda world: uninstall(world.client),
    "renew": lambda world: TokenRenewer(
        world.store, now=lambda: datetime.now(UTC) + timedelta(days=30)
    ).renew_due(),
    "a user's account": enter_with_an_account,
    "a namespace": make_namespace,
    "observe": observe,
    "keep": keep,
}


def with_real_limits(world: World) -> ClusterClient:
    """Return a client with the real limits, which other tests reduce."""
    return ClusterClient(world.endpoint, ClusterCredential(token="t"), limits=ClientLimits())


@pytest.fixture(scope="module")
def authority() -> KeyPair:
    return make_authority()


@pytest.fixture(scope="module")
def api_server(authority: KeyPair) -> Iterator[ScriptedApiServer]:
    with ScriptedApiServer(issue(authority)) as api_server:
        yield api_server


@pytest.fixture
async def world(
    api_server: ScriptedApiServer,
    authority: KeyPair,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[World]:
    monkeypatch.setattr(service_account_tokens, "SECRET_SECONDS", 0.2)
    monkeypatch.setattr(verification, "PROPAGATION_SECONDS", 0.2)
    monkeypatch.setattr(apply, "TERMINATING_SECONDS", 0.2)
    # Smaller limits, so that reaching them on every path does not take minutes.
    limits = ClientLimits(max_response_bytes=MiB, max_pages=30)
    monkeypatch.setattr(client, "DEFAULT_LIMITS", limits)
    ca_pem = authority.certificate_pem.decode()
    store = await open_store(
        f"sqlite:///{tmp_path}/store.db",
        Keyring.parse(generate_key()),
        addresses=LOOPBACK_ALLOWED,
    )
    cluster = a_cluster(
        servers=(api_server.url,),
        ca_pem=ca_pem,
        tls_server_name=None,
        impersonator_token="t",
        controller_token="t",
        credential_source=CredentialSource.TOKEN_REQUEST,
        tokens_expire_at=datetime.now(UTC) + timedelta(days=1),
        addresses=LOOPBACK_ALLOWED,
    )
    await store.clusters.create(cluster)
    endpoint = ClusterEndpoint((api_server.url,), ca_pem, addresses=LOOPBACK_ALLOWED)
    world = World(store, cluster, endpoint, ClientTLSContexts().source(ca_pem))
    async with world.client:
        yield world
    await world.reviews.close()
    await store.close()


@pytest.mark.parametrize("answer", ANSWERS)
async def test_no_response_on_any_path_takes_much_memory_or_raises_an_unknown_error(
    world: World, api_server: ScriptedApiServer, answer: str
) -> None:
    api_server.scripts = Everywhere(ANSWERS[answer]())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    unknown: dict[str, str] = {}
    for name, ask in PATHS.items():
        try:
            async with asyncio.timeout(120):
                await ask(world)
        except CLEAN as exc:
            if "\n" in str(exc) or len(str(exc)) > 1000:
                unknown[name] = f"not one line: {exc}"
        except Exception as exc:
            unknown[name] = repr(exc)
    assert unknown == {}
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    assert grown < MOST_GROWTH, f"grown by {grown // MiB} MiB"


async def test_list_without_end_takes_bounded_memory(
    world: World, api_server: ScriptedApiServer
) -> None:
    """With the real limits: pages of 2 MB, each with a continue token."""
    numbers = itertools.count()
    body = json.dumps(
        [{"metadata": {"name": f"n{n}"}, "spec": {"text": "x" * 4000}} for n in range(500)]
    )

    async def script(received: ReceivedRequest) -> None:
        metadata = json.dumps({"continue": f"t{next(numbers)}"})
        await whole(f'{{"items": {body}, "metadata": {metadata}}}'.encode())(received)

    api_server.scripts = Everywhere(script)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    async with with_real_limits(world) as open_request:
        with pytest.raises(ClusterApiError, match="memory"):
            await open_request.list_all(PATH)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    assert grown < 250 * MiB, f"grown by {grown // MiB} MiB"


async def test_one_response_takes_bounded_memory(
    world: World, api_server: ScriptedApiServer
) -> None:
    """With the real limits: as many values as are allowed, none larger than two bytes."""
    api_server.scripts = Everywhere(whole(b'{"items": [' + b",".join([b"[]"] * 190_000) + b"]}"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    async with with_real_limits(world) as open_request:
        assert await open_request.list_all(PATH) == ([], "")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    assert grown < 100 * MiB, f"grown by {grown // MiB} MiB"
