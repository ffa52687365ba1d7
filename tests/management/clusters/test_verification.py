"""The rights of Sekisho's two service accounts, checked with a real cluster."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from management.authorization.rbac_rules import uncovered_rules
from management.authorization.user_facing import RULES
from management.clusters.service_account_tokens import AccountTokens, request_tokens
from management.clusters.verification import (
    PROPAGATION_SECONDS,
    has_cluster_admin,
    verify_impersonator,
)
from management.desired_state.apply import apply_install, install_object, plan_install
from management.desired_state.cluster_rbac import role_bindings
from management.desired_state.installation import installation
from management.kubernetes.client import ClusterClient
from management.kubernetes.endpoint import ClusterCredential
from management.kubernetes.errors import ApiForbidden
from store.access_records import PolicyRule
from tests.management.conftest import OwnCluster

REVIEWS = "/apis/authorization.k8s.io/v1"
WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


@pytest.fixture
async def tokens(clean: OwnCluster) -> AccountTokens:
    """Tokens of the service accounts in a cluster with Sekisho installed."""
    async with ClusterClient(clean.endpoint, clean.administrator) as client:
        await apply_install(client, await plan_install(client, installation()), [])
        given = await request_tokens(client)
    await verify_impersonator(
        clean.endpoint, given.impersonator, propagation_seconds=PROPAGATION_SECONDS
    )
    return given


@pytest.fixture
async def impersonator(clean: OwnCluster, tokens: AccountTokens) -> AsyncIterator[ClusterClient]:
    async with ClusterClient(
        clean.endpoint, ClusterCredential(token=tokens.impersonator)
    ) as client:
        yield client


@pytest.fixture
async def controller(clean: OwnCluster, tokens: AccountTokens) -> AsyncIterator[ClusterClient]:
    async with ClusterClient(clean.endpoint, ClusterCredential(token=tokens.controller)) as client:
        yield client


async def rules_of(client: ClusterClient) -> list[dict[str, Any]]:
    """Return the caller's rights beyond those of every service account."""
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


async def test_impersonator_may_impersonate_and_review_and_nothing_else(
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
async def test_impersonator_request_without_a_user_has_no_rights(
    impersonator: ClusterClient, path: str
) -> None:
    with pytest.raises(ApiForbidden, match="403"):
        await impersonator.get(path)


async def test_impersonation_headers_of_the_proxy_reach_the_cluster(
    impersonator: ClusterClient,
) -> None:
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


async def test_impersonator_may_review_the_access_of_others(impersonator: ClusterClient) -> None:
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
async def test_controller_binds_roles_that_it_does_not_hold(
    controller: ClusterClient, role: str
) -> None:
    [binding] = role_bindings(f"sekisho:{role}", role, frozenset({("User", "u-aaaaaaaaaa")}))
    assert await install_object(controller, binding) is True
    assert await install_object(controller, binding) is False


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
async def test_controller_has_no_rights_on_other_objects(
    controller: ClusterClient, method: str, path: str
) -> None:
    with pytest.raises(ApiForbidden, match="403"):
        await getattr(controller, method)(path)


async def test_controller_cannot_impersonate(controller: ClusterClient) -> None:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    with pytest.raises(ApiForbidden, match="403"):
        await controller.post(WHO, review, {"Impersonate-User": "u-alice"})


async def test_controller_gets_no_token_of_another_account(
    controller: ClusterClient, clean: OwnCluster
) -> None:
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    with pytest.raises(ApiForbidden, match="403"):
        await controller.post("/api/v1/namespaces/default/serviceaccounts/default/token", request)


async def test_controller_renews_the_tokens_of_both_accounts(
    controller: ClusterClient, tokens: AccountTokens
) -> None:
    given = await request_tokens(controller, 600)
    assert given.impersonator != tokens.impersonator
    assert given.expire_at is not None
    assert tokens.expire_at is not None
    assert given.expire_at < tokens.expire_at


async def test_administrators_are_bound_through_one_group(
    clean: OwnCluster, impersonator: ClusterClient
) -> None:
    answer = await impersonator.get("/version")
    assert answer["gitVersion"] == clean.version
    assert not clean.can_i("u-root", "delete", "nodes")
    assert clean.can_i("u-root", "delete", "nodes", "--as-group=sekisho:administrators")


async def test_token_with_all_rights_is_recognized(
    clean: OwnCluster, tokens: AccountTokens
) -> None:
    assert not await has_cluster_admin(clean.endpoint, tokens.impersonator)


@pytest.mark.parametrize("role", sorted(RULES))
def test_rules_of_kubernetes_roles_match_the_known_rules(kubernetes: OwnCluster, role: str) -> None:
    found = kubernetes.ask("GET", f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{role}")
    held = [
        PolicyRule(
            verbs=tuple(one["verbs"]),
            api_groups=tuple(one.get("apiGroups", ())),
            resources=tuple(one.get("resources", ())),
            resource_names=tuple(one.get("resourceNames", ())),
        )
        for one in found["rules"]
    ]
    assert uncovered_rules(RULES[role], held) == []
