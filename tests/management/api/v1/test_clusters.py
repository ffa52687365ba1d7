"""``/v1/clusters`` over real HTTP, with a real store, and a real cluster where one is changed."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from management.clusters import ClusterService
from management.tokens import TokenService
from store.interfaces import Cluster, CredentialSource, Store, TokenKind
from tests.management.clusters.conftest import OwnCluster, user
from tests.management.clusters.test_import import NOBODY
from tests.parts.management_app import URL, Client, served, token_service
from tests.store import records

Ask = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture
def tokens(store: Store) -> TokenService:
    return token_service(store)


@pytest.fixture
async def client(store: Store, tokens: TokenService) -> AsyncIterator[Client]:
    """The management application on a loopback port."""
    async with served(store, tokens) as client:
        yield client


@pytest.fixture
def ask(store: Store, tokens: TokenService, client: Client) -> Ask:
    """``await ask("alice", method, path)`` asks with a fresh token of that user."""

    async def ask(
        name: str, method: str, path: str, *, kind: TokenKind = "session", body: Any = None
    ) -> tuple[int, Any]:
        found = await store.users.get(user(name).id)
        assert found is not None
        bearer = (await tokens.issue(found, kind=kind, ttl=timedelta(hours=1))).bearer
        headers = {"Authorization": f"Bearer {bearer}"}
        async with client.request(method, path, headers=headers, json=body) as answer:
            text = await answer.text()
            return answer.status, yaml.safe_load(text)

    return ask


@pytest.fixture
async def prod(store: Store) -> Cluster:
    """A cluster that nothing listens for; alice owns it, and root administers Sekisho."""
    cluster = Cluster(
        id="c-aaaaaaaaaa",
        name="prod",
        servers=(NOBODY,),
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


async def test_a_user_sees_the_clusters_they_may_enter(ask: Ask, prod: Cluster) -> None:
    assert await ask("alice", "GET", "/v1/clusters") == (
        200,
        {
            "items": [
                {
                    "id": prod.id,
                    "name": "prod",
                    "role": "owner",
                    "url": f"{URL}/k8s/clusters/{prod.id}",
                    "created_at": "2026-01-01T00:00:00+00:00",
                    "removing_since": None,
                    "servers": [NOBODY],
                    "tls_server_name": None,
                    "user_name": "id",
                    "isolation": "shared",
                    "credential_source": "static",
                    "tokens_expire_at": None,
                }
            ]
        },
    )
    assert (await ask("bob", "GET", "/v1/clusters"))[1] == {"items": []}


async def test_an_administrator_sees_every_cluster_and_no_secret(ask: Ask, prod: Cluster) -> None:
    status, body = await ask("root", "GET", "/v1/clusters")
    assert status == 200
    assert [one["name"] for one in body["items"]] == ["hidden", "prod"]
    assert body["items"][0]["servers"] == [NOBODY]
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
async def test_unknown_and_forbidden_look_the_same(
    ask: Ask, prod: Cluster, method: str, path: str
) -> None:
    answers = []
    for name in ("hidden", "absent"):
        body = {"role": "owner"}
        status, said = await ask("alice", method, f"/v1/clusters/{name}{path}", body=body)
        answers.append((status, said["detail"].replace(name, "X")))
    assert answers[0] == answers[1]
    assert answers[0][0] == 404


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_kubeconfig_holds_a_token_for_that_cluster_alone(
    ask: Ask, store: Store, prod: Cluster, method: str
) -> None:
    status, config = await ask("alice", method, "/v1/clusters/prod/kubeconfig")
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


async def test_a_token_does_not_live_on_in_a_kubeconfig(
    ask: Ask, store: Store, prod: Cluster
) -> None:
    _, config = await ask("alice", "GET", "/v1/clusters/prod/kubeconfig", kind="token")
    token = await store.tokens.get(config["users"][0]["user"]["token"].partition(":")[0])
    assert token is not None
    assert token.expires_at is not None
    assert token.expires_at <= datetime.now(UTC) + timedelta(hours=1)


async def test_a_read_only_token_gets_a_read_only_kubeconfig(
    client: Client, store: Store, tokens: TokenService, prod: Cluster
) -> None:
    issued = await tokens.issue(user("alice"), kind="token", read_only=True)
    headers = {"Authorization": f"Bearer {issued.bearer}"}
    async with client.get("/v1/clusters/prod/kubeconfig", headers=headers) as answer:
        config = yaml.safe_load(await answer.text())
    token = await store.tokens.get(config["users"][0]["user"]["token"].partition(":")[0])
    assert token is not None
    assert token.read_only


async def test_a_kubeconfig_with_exec_holds_no_token(ask: Ask, store: Store, prod: Cluster) -> None:
    _, config = await ask("alice", "POST", "/v1/clusters/prod/kubeconfig?exec=true")
    assert config["users"][0]["user"]["exec"]["command"] == "sekisho"
    assert [one.kind for one in await store.tokens.list_for(user("alice").id)] == ["session"]


async def test_a_kubeconfig_is_a_download_that_nobody_keeps(
    client: Client, tokens: TokenService, prod: Cluster
) -> None:
    issued = await tokens.issue(user("alice"), kind="session")
    headers = {"Authorization": f"Bearer {issued.bearer}"}
    async with client.get("/v1/clusters/prod/kubeconfig", headers=headers) as answer:
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="prod.yaml"'


async def test_owners_and_administrators_see_the_members(
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
async def test_a_member_governs_nothing(ask: Ask, store: Store, prod: Cluster, method: str) -> None:
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
async def test_a_bad_member_is_refused(
    ask: Ask, prod: Cluster, name: str, body: Any, status: int
) -> None:
    path = f"/v1/clusters/prod/members/{name}"
    assert (await ask("alice", "PUT", path, body=body))[0] == status


async def test_a_cluster_that_does_not_answer_is_told_later(
    ask: Ask, store: Store, prod: Cluster
) -> None:
    path = "/v1/clusters/prod/members/bob"
    status, body = await ask("alice", "PUT", path, body={"role": "member"})
    assert (status, body["bound"]) == (200, False)
    assert "as soon as it answers" in body["pending"]
    assert NOBODY not in str(body)
    held = await store.bindings.of_subjects(user("bob").id, [])
    assert [one.role_id for one in held] == ["cluster-member"]


async def test_members_are_let_in_and_shut_out_downstream(
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
