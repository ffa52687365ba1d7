"""``/v1/clusters`` over HTTP with a real store, and a real cluster where one is changed."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from management.authorization.permissions import PERMISSIONS
from management.clusters.service import ClusterService
from management.identity.tokens import KUBECONFIGS, TokenIssuer, TokenSpec
from store.interfaces import Store
from store.records import Cluster, CredentialSource, TokenKind
from tests.management import conftest
from tests.management.clusters.unreachable import UNREACHABLE
from tests.management.conftest import OwnCluster, user
from tests.store import records
from tests.support.management_app import URL, Client, make_token_issuer, serve_management

store = conftest.store
"""The store of tests/management, not the one of tests/management/api, which has clusters."""

Ask = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture
def tokens(store: Store) -> TokenIssuer:
    return make_token_issuer(store)


@pytest.fixture
async def client(store: Store, tokens: TokenIssuer) -> AsyncIterator[Client]:
    """Serve the management application on a loopback port."""
    async with serve_management(store, tokens) as client:
        yield client


@pytest.fixture
def ask(store: Store, tokens: TokenIssuer, client: Client) -> Ask:
    """Send a request with a new token of that user: ``await ask("alice", method, path)``."""

    async def ask(
        name: str, method: str, path: str, *, kind: TokenKind = "session", body: Any = None
    ) -> tuple[int, Any]:
        found = await store.users.get(user(name).id)
        assert found is not None
        bearer = (await tokens.issue(found, TokenSpec(kind=kind, ttl=timedelta(hours=1)))).bearer
        headers = {"Authorization": f"Bearer {bearer}"}
        async with client.request(method, path, headers=headers, json=body) as response:
            text = await response.text()
            return response.status, yaml.safe_load(text)

    return ask


@pytest.fixture
async def prod(store: Store) -> Cluster:
    """A cluster without a listener; alice owns it, and root administers Sekisho."""
    cluster = Cluster(
        id="c-aaaaaaaaaa",
        name="prod",
        servers=(UNREACHABLE,),
        ca_pem=None,
        tls_server_name=None,
        impersonator_token="impersonator-secret",
        controller_token="controller-secret",
        credential_source=CredentialSource.STATIC,
        tokens_expire_at=None,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    await store.clusters.create(cluster)
    await store.clusters.create(replace(cluster, id="c-bbbbbbbbbb", name="hidden"))
    await let_in(store, "alice", "owner")
    await store.users.create(replace(user("root"), administrator=True))
    return cluster


async def let_in(store: Store, name: str, role: str) -> None:
    await records.let_in(store, "c-aaaaaaaaaa", user(name).id, f"cluster-{role}")


async def test_user_lists_the_clusters_that_they_may_enter(ask: Ask, prod: Cluster) -> None:
    assert await ask("alice", "GET", "/v1/clusters") == (
        200,
        {
            "items": [
                {
                    "id": prod.id,
                    "name": "prod",
                    "role": "owner",
                    "permissions": sorted(PERMISSIONS["cluster"]),
                    "url": f"{URL}/k8s/clusters/{prod.id}",
                    "created_at": "2026-01-01T00:00:00+00:00",
                    "removing_since": None,
                    "pending_until": None,
                    "reach": "direct",
                    "labels": {},
                    "servers": [UNREACHABLE],
                    "tls_server_name": None,
                    "username_mapping": "id",
                    "impersonator": "shared",
                    "credential_source": "static",
                    "tokens_expire_at": None,
                }
            ]
        },
    )
    assert (await ask("bob", "GET", "/v1/clusters"))[1] == {"items": []}


async def test_administrator_lists_every_cluster_without_secrets(ask: Ask, prod: Cluster) -> None:
    status, body = await ask("root", "GET", "/v1/clusters")
    assert status == 200
    assert [one["name"] for one in body["items"]] == ["hidden", "prod"]
    assert body["items"][0]["servers"] == [UNREACHABLE]
    assert "secret" not in str(body)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/kubeconfig"),
        ("POST", "/kubeconfig"),
        ("GET", "/members"),
        ("PUT", f"/members/{user('bob').id}"),
        ("DELETE", f"/members/{user('bob').id}"),
    ],
)
async def test_unknown_and_forbidden_clusters_get_the_same_response(
    ask: Ask, prod: Cluster, method: str, path: str
) -> None:
    responses = []
    for name in ("hidden", "absent"):
        body = {"role": "owner"}
        status, said = await ask("alice", method, f"/v1/clusters/{name}{path}", body=body)
        responses.append((status, said["detail"].replace(name, "X")))
    assert responses[0] == responses[1]
    assert responses[0][0] == 404


async def test_kubeconfig_token_is_limited_to_its_cluster(
    ask: Ask, store: Store, prod: Cluster
) -> None:
    status, config = await ask("alice", "POST", "/v1/clusters/prod/kubeconfig")
    assert status == 200
    assert config["clusters"][0]["cluster"]["server"] == f"{URL}/k8s/clusters/{prod.id}"
    bearer = config["users"][0]["user"]["token"]
    token = await store.tokens.get(bearer.partition(":")[0])
    assert token is not None
    assert (token.kind, token.clusters, token.user_id) == (
        "kubeconfig",
        (prod.id,),
        user("alice").id,
    )


async def test_kubeconfig_token_ends_with_the_token_that_created_it(
    ask: Ask, store: Store, prod: Cluster
) -> None:
    _, config = await ask("alice", "POST", "/v1/clusters/prod/kubeconfig", kind="token")
    token = await store.tokens.get(config["users"][0]["user"]["token"].partition(":")[0])
    assert token is not None
    assert token.expires_at is not None
    assert token.expires_at <= datetime.now(UTC) + timedelta(hours=1)


async def test_read_only_token_cannot_create_tokens(
    client: Client, store: Store, tokens: TokenIssuer, prod: Cluster
) -> None:
    issued = await tokens.issue(user("alice"), TokenSpec(kind="token", read_only=True))
    headers = {"Authorization": f"Bearer {issued.bearer}"}
    for path in ("/v1/clusters/prod/kubeconfig", "/v1/kubeconfig"):
        async with client.get(path, headers=headers) as response:
            config = yaml.safe_load(await response.text())
        assert config["users"][0]["user"]["exec"]["command"] == "sekisho"
        async with client.post(path, headers=headers) as response:
            assert response.status == 403
    assert [one.name for one in await store.tokens.list_for(user("alice").id)] == [
        issued.token.name
    ]


async def test_kubeconfig_tokens_of_one_user_for_one_cluster_are_limited(
    ask: Ask, store: Store, prod: Cluster
) -> None:
    """rancher#42603: each download created another token of thirty days."""
    made = []
    for _ in range(KUBECONFIGS + 3):
        _, config = await ask("alice", "POST", "/v1/clusters/prod/kubeconfig")
        made.append(config["users"][0]["user"]["token"].partition(":")[0])
        if len(made) == 2:
            await store.tokens.touch([(made[0], datetime.now(UTC) + timedelta(hours=1))])
    kept = {one.name for one in await store.tokens.list_for(user("alice").id)} & set(made)
    assert kept == {made[0], *made[-KUBECONFIGS + 1 :]}


async def test_kubeconfig_with_exec_has_no_token(ask: Ask, store: Store, prod: Cluster) -> None:
    _, config = await ask("alice", "POST", "/v1/clusters/prod/kubeconfig?exec=true")
    assert config["users"][0]["user"]["exec"]["command"] == "sekisho"
    assert [one.kind for one in await store.tokens.list_for(user("alice").id)] == ["session"]


async def test_kubeconfig_response_is_an_uncached_download(
    client: Client, tokens: TokenIssuer, prod: Cluster
) -> None:
    issued = await tokens.issue(user("alice"), TokenSpec(kind="session"))
    headers = {"Authorization": f"Bearer {issued.bearer}"}
    async with client.get("/v1/clusters/prod/kubeconfig", headers=headers) as response:
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Content-Disposition"] == 'attachment; filename="prod.yaml"'


async def test_owners_and_administrators_list_the_members(
    ask: Ask, store: Store, prod: Cluster
) -> None:
    await let_in(store, "bob", "member")
    for name in ("alice", "root"):
        status, body = await ask(name, "GET", "/v1/clusters/prod/members")
        assert status == 200
        assert [(one["username"], one["role"]) for one in body["items"]] == [
            ("alice", "owner"),
            ("bob", "member"),
        ]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_member_without_permission_cannot_manage_members(
    ask: Ask, store: Store, prod: Cluster, method: str
) -> None:
    await let_in(store, "bob", "member")
    path = "/v1/clusters/prod/members" + ("" if method == "GET" else f"/{user('bob').id}")
    assert (await ask("bob", method, path, body={"role": "owner"}))[0] == 403
    held = await store.bindings.of_subjects(user("bob").id, [])
    assert [one.role_id for one in held] == ["cluster-member"]


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("gone", {"role": "member"}, 404),
        ("carol", {"role": "member"}, 422),
        ("bob", {"role": "admin"}, 422),
        ("bob", {}, 422),
        ("bob", {"role": "member", "more": 1}, 422),
    ],
)
async def test_invalid_member_is_rejected(
    ask: Ask, prod: Cluster, name: str, body: Any, status: int
) -> None:
    path = f"/v1/clusters/prod/members/{name}"
    assert (await ask("alice", "PUT", path, body=body))[0] == status


async def test_unreachable_cluster_gets_the_change_later(
    ask: Ask, store: Store, prod: Cluster
) -> None:
    path = "/v1/clusters/prod/members/bob"
    status, body = await ask("alice", "PUT", path, body={"role": "member"})
    assert (status, body["bound"]) == (200, False)
    assert "retries until it succeeds" in body["pending"]
    assert UNREACHABLE not in str(body)
    held = await store.bindings.of_subjects(user("bob").id, [])
    assert [one.role_id for one in held] == ["cluster-member"]


async def test_members_are_bound_and_unbound_in_the_cluster(
    clean: OwnCluster, store: Store, ask: Ask
) -> None:
    service = ClusterService(store)
    await service.import_cluster("real", clean.endpoint, clean.administrator)
    await store.users.create(replace(user("root"), administrator=True))
    path = "/v1/clusters/real/members/bob"
    status, body = await ask("root", "PUT", path, body={"role": "member"})
    assert (status, body["role"], body["bound"]) == (200, "member", True)
    assert clean.can_i(user("bob").id, "create", "deployments")
    assert (await ask("bob", "GET", "/v1/clusters/real"))[0] == 200
    assert (await ask("root", "DELETE", path))[0] == 204
    assert not clean.can_i(user("bob").id, "create", "deployments")
    assert (await ask("bob", "GET", "/v1/clusters/real"))[0] == 404
    assert (await ask("root", "DELETE", path))[0] == 404
