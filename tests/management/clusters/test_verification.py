"""What our two accounts may do in a cluster, asked of the cluster itself."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from management.downstream import objects
from management.downstream.accounts import AccountTokens, request_tokens
from management.downstream.apply import carry_out, ensure, plan
from management.downstream.client import ClusterClient
from management.downstream.endpoint import Credential
from management.downstream.errors import Refused
from management.downstream.verify import may_do_anything, verify_impersonator
from management.wanted.roles import role_bindings
from tests.management.clusters.conftest import OwnCluster

REVIEWS = "/apis/authorization.k8s.io/v1"
WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


@pytest.fixture
async def tokens(clean: OwnCluster) -> AccountTokens:
    """Tokens of the accounts in a cluster that was set up."""
    async with ClusterClient(clean.endpoint, clean.administrator) as client:
        await carry_out(client, await plan(client, objects.setup()), [])
        given = await request_tokens(client)
    await verify_impersonator(clean.endpoint, given.impersonator, settling=True)
    return given


@pytest.fixture
async def impersonator(clean: OwnCluster, tokens: AccountTokens) -> AsyncIterator[ClusterClient]:
    async with ClusterClient(clean.endpoint, Credential(token=tokens.impersonator)) as client:
        yield client


@pytest.fixture
async def controller(clean: OwnCluster, tokens: AccountTokens) -> AsyncIterator[ClusterClient]:
    async with ClusterClient(clean.endpoint, Credential(token=tokens.controller)) as client:
        yield client


async def rules_of(client: ClusterClient) -> list[dict[str, Any]]:
    """What the caller may do beyond what every service account may."""
    answer = await client.post(
        f"{REVIEWS}/selfsubjectrulesreviews",
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": "default"},
        },
    )
    rules: list[dict[str, Any]] = answer["status"]["resourceRules"]
    return [one for one in rules if "selfsubject" not in str(one["resources"])]


async def test_the_impersonator_may_impersonate_and_ask_for_reviews_and_nothing_else(
    impersonator: ClusterClient,
) -> None:
    rules = await rules_of(impersonator)
    assert {(verb, *one["resources"]) for one in rules for verb in one["verbs"]} == {
        ("impersonate", "users", "groups", "serviceaccounts"),
        ("impersonate", "*"),
        ("create", "subjectaccessreviews"),
    }


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/namespaces/sekisho-system/secrets",
        "/api/v1/namespaces",
        "/api/v1/nodes",
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    ],
)
async def test_a_request_without_a_user_is_powerless(
    impersonator: ClusterClient, path: str
) -> None:
    with pytest.raises(Refused, match="403"):
        await impersonator.get(path)


async def test_everything_that_the_gate_stamps_arrives(impersonator: ClusterClient) -> None:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = await impersonator.post(
        WHO,
        review,
        {
            "Impersonate-User": "u-alice",
            "Impersonate-Uid": "u-alice",
            "Impersonate-Group": "system:authenticated",
            "Impersonate-Extra-Username": "alice",
            "Impersonate-Extra-Originaluser": "bob",
            "Impersonate-Extra-Example.test%2fscope": "any",
        },
    )
    who = answer["status"]["userInfo"]
    assert (who["username"], who["uid"]) == ("u-alice", "u-alice")
    assert who["extra"] == {
        "username": ["alice"],
        "originaluser": ["bob"],
        "example.test/scope": ["any"],
    }


async def test_the_impersonator_may_ask_on_behalf_of_others(impersonator: ClusterClient) -> None:
    answer = await impersonator.post(
        f"{REVIEWS}/subjectaccessreviews",
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": "u-alice",
                "resourceAttributes": {"verb": "impersonate", "resource": "users", "name": "bob"},
            },
        },
    )
    assert answer["status"]["allowed"] is False


@pytest.mark.parametrize("role", ["cluster-admin", "admin", "edit", "view"])
async def test_the_controller_binds_roles_that_it_does_not_hold(
    controller: ClusterClient, role: str
) -> None:
    [binding] = role_bindings(f"sekisho:{role}", role, frozenset({("User", "u-aaaaaaaaaa")}))
    assert await ensure(controller, binding) is True
    assert await ensure(controller, binding) is False


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "/api/v1/namespaces/sekisho-system/secrets"),
        ("get", "/api/v1/namespaces/default/pods"),
        ("get", "/apis/apps/v1/deployments"),
        ("delete", "/api/v1/nodes/some"),
        ("delete", "/api/v1/namespaces/default/serviceaccounts/default"),
    ],
)
async def test_the_controller_keeps_to_its_own(
    controller: ClusterClient, method: str, path: str
) -> None:
    with pytest.raises(Refused, match="403"):
        await getattr(controller, method)(path)


async def test_the_controller_impersonates_nobody(controller: ClusterClient) -> None:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    with pytest.raises(Refused, match="403"):
        await controller.post(WHO, review, {"Impersonate-User": "u-alice"})


async def test_the_controller_gets_no_token_of_another_account(
    controller: ClusterClient, clean: OwnCluster
) -> None:
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    with pytest.raises(Refused, match="403"):
        await controller.post("/api/v1/namespaces/default/serviceaccounts/default/token", request)


async def test_the_controller_renews_the_tokens_of_both_accounts(
    controller: ClusterClient, tokens: AccountTokens
) -> None:
    given = await request_tokens(controller, 600)
    assert given.impersonator != tokens.impersonator
    assert given.expire_at is not None
    assert tokens.expire_at is not None
    assert given.expire_at < tokens.expire_at


async def test_administrators_come_in_through_one_group(
    clean: OwnCluster, impersonator: ClusterClient
) -> None:
    answer = await impersonator.get("/version")
    assert answer["gitVersion"] == clean.version
    assert not clean.can_i("u-root", "delete", "nodes")
    assert clean.can_i("u-root", "delete", "nodes", "--as-group=sekisho:administrators")


async def test_a_token_that_may_do_anything_is_known(
    clean: OwnCluster, tokens: AccountTokens
) -> None:
    assert not await may_do_anything(clean.endpoint, tokens.impersonator)
