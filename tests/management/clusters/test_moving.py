"""A cluster is recognized by its uid: it is imported once, and it may move."""

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from management.clusters.service import ClusterService
from management.clusters.verification import verify_impersonator
from management.errors import AlreadyExists, InvalidRequest
from management.identity.tokens import TokenSpec
from management.kubernetes.endpoint import ClusterCredential, ClusterEndpoint
from store.agent_records import AgentToken, agent_token_digest
from store.interfaces import Store
from store.records import Cluster
from tests.management.clusters.unreachable import UNREACHABLE
from tests.management.conftest import OwnCluster, Serve, user
from tests.store import records
from tests.support.management_app import make_token_issuer, serve_management

Ask = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture
async def ask(store: Store) -> AsyncIterator[Ask]:
    """``await ask("alice", method, path, body)``: alice owns prod, bob may import clusters."""
    tokens = make_token_issuer(store)
    await store.users.create(replace(user("root"), administrator=True))
    await store.bindings.create(records.a_binding(user("bob").id, "standard-user", None))
    async with serve_management(store, tokens) as client:

        async def ask(name: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
            found = await store.users.get(user(name).id)
            assert found is not None
            bearer = (
                await tokens.issue(found, TokenSpec(kind="session", ttl=timedelta(hours=1)))
            ).bearer
            headers = {"Authorization": f"Bearer {bearer}"}
            async with client.request(method, path, headers=headers, json=body) as answer:
                return answer.status, json.loads(await answer.text() or "null")

        yield ask


async def imported(store: Store, clean: OwnCluster, name: str = "prod") -> Cluster:
    result = await ClusterService(store).import_cluster(name, clean.endpoint, clean.administrator)
    assert result.cluster is not None
    return result.cluster


def by_another_name(endpoint: ClusterEndpoint) -> ClusterEndpoint:
    """Return the endpoint with another address and the CA in another form."""
    servers = tuple(one.replace("127.0.0.1", "localhost") for one in endpoint.servers)
    return replace(endpoint, servers=servers, ca_pem=f"# the same\n{endpoint.ca_pem}")


def kubeconfig(server: str, cluster: OwnCluster) -> str:
    credential = cluster.administrator
    encoded = {
        key: base64.b64encode(value.encode()).decode()
        for key, value in {
            "ca": cluster.ca_pem.decode(),
            "certificate": credential.certificate_pem or "",
            "key": credential.key_pem or "",
        }.items()
    }
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [
            {
                "name": "c",
                "cluster": {"server": server, "certificate-authority-data": encoded["ca"]},
            }
        ],
        "users": [
            {
                "name": "u",
                "user": {
                    "client-certificate-data": encoded["certificate"],
                    "client-key-data": encoded["key"],
                },
            }
        ],
    }
    return json.dumps(config)


async def test_cluster_is_recognized_at_another_address(clean: OwnCluster, store: Store) -> None:
    first = await imported(store, clean)
    assert first.uid
    before = clean.managed_objects()
    with pytest.raises(AlreadyExists, match='as "prod"'):
        await ClusterService(store).import_cluster(
            "other", by_another_name(clean.endpoint), clean.administrator
        )
    assert clean.managed_objects() == before, "nothing of the first one was taken back"
    await verify_impersonator(clean.endpoint, first.impersonator_token)


async def test_cluster_added_by_hand_is_recognized(clean: OwnCluster, store: Store) -> None:
    first = await imported(store, clean)
    with pytest.raises(AlreadyExists):
        await ClusterService(store).add(
            "other",
            by_another_name(clean.endpoint),
            first.impersonator_token,
            controller_token=first.controller_token,
        )


async def test_moved_cluster_keeps_its_id_and_members(clean: OwnCluster, store: Store) -> None:
    first = await imported(store, clean)
    await records.let_in(store, first.id, user("alice").id)
    elsewhere = by_another_name(clean.endpoint)
    service = ClusterService(store)
    with pytest.raises(AlreadyExists, match="--replace"):
        await service.import_cluster("prod", elsewhere, clean.administrator)
    await service.import_cluster("prod", elsewhere, clean.administrator, moved=True)
    now = await store.clusters.get("prod")
    assert now is not None
    assert (now.id, now.uid, now.servers) == (first.id, first.uid, elsewhere.servers)
    assert now.impersonator_token != first.impersonator_token
    assert len(await store.bindings.in_cluster(first.id)) == 1


async def test_import_of_an_agents_cluster_at_an_address_revokes_the_agents_tokens(
    clean: OwnCluster, store: Store
) -> None:
    first = await imported(store, clean)
    server = ("https://kubernetes.default.svc",)
    await store.clusters.replace(replace(first, reach="agent", servers=server))
    digest = agent_token_digest("of the agent")
    await store.agent_tokens.create(AgentToken("at-1", first.id, digest, records.NOW))
    service = ClusterService(store)
    await service.import_cluster("prod", clean.endpoint, clean.administrator, moved=True)
    now = await store.clusters.get("prod")
    assert now is not None
    assert (now.id, now.reach) == (first.id, "direct")
    assert await store.agent_tokens.of_cluster(first.id) == []


async def test_move_to_another_cluster_is_rejected(clean: OwnCluster, store: Store) -> None:
    first = await imported(store, clean)
    await store.clusters.replace(replace(first, uid="another"))
    service = ClusterService(store)
    with pytest.raises(AlreadyExists, match="another one"):
        await service.import_cluster(
            "prod", by_another_name(clean.endpoint), clean.administrator, moved=True
        )
    stored = await store.clusters.get("prod")
    assert stored is not None
    with pytest.raises(InvalidRequest, match="uid"):
        await service.move(stored, by_another_name(clean.endpoint), clean.administrator)
    assert await store.clusters.get("prod") == stored


async def test_move_by_an_owner_requires_a_credential(
    clean: OwnCluster, store: Store, ask: Ask
) -> None:
    first = await imported(store, clean)
    await records.let_in(store, first.id, user("alice").id, "cluster-owner")
    servers = list(by_another_name(clean.endpoint).servers)
    status, answer = await ask("alice", "PATCH", "/v1/clusters/prod", {"servers": servers})
    assert status == 422, "our tokens go to no address that a user has chosen"
    assert "kubeconfig or token" in answer["detail"]
    change = {"servers": servers, "kubeconfig": kubeconfig(clean.servers[0], clean)}
    status, answer = await ask("alice", "PATCH", "/v1/clusters/prod", change)
    assert status == 200, answer
    assert answer["servers"] == servers
    assert "kubeconfig" not in answer
    now = await store.clusters.get(first.id)
    assert now is not None
    assert now.impersonator_token != first.impersonator_token
    await verify_impersonator(clean.endpoint, now.impersonator_token)


async def test_move_to_an_unreachable_address_changes_nothing(
    clean: OwnCluster, store: Store, ask: Ask
) -> None:
    first = await imported(store, clean)
    await records.let_in(store, first.id, user("alice").id, "cluster-owner")
    change = {"servers": [UNREACHABLE], "kubeconfig": kubeconfig(clean.servers[0], clean)}
    status, answer = await ask("alice", "PATCH", "/v1/clusters/prod", change)
    assert status == 502
    assert "127.0.0.1" not in str(answer), "what is there is for administrators"
    assert await store.clusters.get(first.id) == first


async def test_import_failure_shows_the_reason_to_administrators_only(
    clean: OwnCluster, store: Store, ask: Ask, serve: Serve
) -> None:
    async def teapot(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=418, text="an internal page")

    said = set()
    async with serve(teapot) as endpoint:
        places = [
            UNREACHABLE,
            endpoint.servers[0],
            "https://0.0.0.0:1",
            "https://name.invalid:6443",
        ]
        for place in places:
            body = {"name": "x", "kubeconfig": kubeconfig(place, clean)}
            status, answer = await ask("bob", "POST", "/v1/clusters", body)
            said.add((status, answer["detail"]))
        assert len(said) == 1, said
        details = []
        for place in places:
            body = {"name": "x", "kubeconfig": kubeconfig(place, clean)}
            status, answer = await ask("root", "POST", "/v1/clusters", body)
            details.append(answer["detail"])
    assert len(set(details)) == len(places)


async def test_import_names_no_hidden_cluster(clean: OwnCluster, store: Store, ask: Ask) -> None:
    await imported(store, clean)
    body = {"name": "x", "kubeconfig": kubeconfig(clean.servers[0], clean)}
    status, answer = await ask("bob", "POST", "/v1/clusters", body)
    assert status == 409
    assert "prod" not in str(answer)
    _, seen = await ask("root", "POST", "/v1/clusters", body)
    assert '"prod"' in seen["detail"]
    body["name"] = "prod"
    status, answer = await ask("bob", "POST", "/v1/clusters", body)
    assert status == 409
    assert "127.0.0.1" not in str(answer)


async def test_import_without_a_valid_credential_reveals_no_cluster(
    clean: OwnCluster, store: Store
) -> None:
    """A user who guesses an address and a CA does not learn that the cluster is stored."""
    await imported(store, clean)
    with pytest.raises(Exception, match="401"):
        await ClusterService(store).import_cluster(
            "other", clean.endpoint, ClusterCredential(token="wrong")
        )
