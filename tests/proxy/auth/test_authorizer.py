"""May this token enter this cluster, with this request?"""

from datetime import UTC, datetime
from typing import Any

import pytest

from impersonation.identity import Identity
from management.authorization.access import access_of
from management.authorization.book import RoleBook
from management.resolver import Resolved
from proxy.admission import admit, allow_by_scope
from proxy.status import Forbidden, MethodNotAllowed, NotFound
from store.interfaces import Token, User
from tests.store.records import a_binding, a_token, a_user


def resolved(
    *,
    administrator: bool = False,
    roles: dict[str, str] | None = None,
    namespaces: dict[str, frozenset[str]] | None = None,
    **token: Any,
) -> Resolved:
    held = [a_binding(role=f"cluster-{role}", cluster=one) for one, role in (roles or {}).items()]
    if administrator:
        held.append(a_binding(role="administrator", cluster=None))
    user: User = a_user(administrator=administrator)
    stored: Token = a_token(**token)
    return Resolved(
        token=stored,
        user=user,
        identity=Identity(user.id, "alice", "local", "local://u-alice", (), administrator),
        access=access_of(held, RoleBook()),
        namespaces=namespaces or {},
        expires_at=float("inf"),
        believed_until=datetime.now(UTC).timestamp(),
    )


def test_a_role_lets_in_and_an_administrator_needs_none() -> None:
    admit(resolved(roles={"c-1": "member"}), "c-1", "prod")
    admit(resolved(administrator=True), "c-1", "prod")


def test_forbidden_and_unknown_look_the_same() -> None:
    said = []
    for cluster_id in (None, "c-1"):
        with pytest.raises(NotFound) as caught:
            admit(resolved(roles={"c-2": "owner"}), cluster_id, "prod")
        said.append(caught.value.message)
    assert said[0] == said[1]


def test_a_tokens_clusters_limit_it_whoever_holds_it() -> None:
    for holder in ({"administrator": True}, {"roles": {"c-1": "owner"}}):
        scoped = resolved(clusters=("c-2",), **holder)
        with pytest.raises(Forbidden, match="is not for cluster"):
            admit(scoped, "c-1", "prod")
    admit(resolved(administrator=True, clusters=("c-1",)), "c-1", "prod")


def test_a_scope_gives_nothing_that_the_user_does_not_have() -> None:
    with pytest.raises(NotFound):
        admit(resolved(clusters=("c-1",)), "c-1", "prod")


@pytest.mark.parametrize(
    ("method", "target", "upgrade"),
    [
        ("GET", "/api/v1/pods", False),
        ("HEAD", "/version", False),
        ("GET", "/api/v1/pods?watch=1", False),
        ("GET", "/api/v1/namespaces/n/pods/p/log?follow=true", False),
        ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", False),
        ("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews?x=y", False),
        ("GET", "/api/v1/namespaces/n/configmaps/c?x=/api/v1/nodes/n/proxy", False),
    ],
)
def test_a_read_only_token_may_read(method: str, target: str, upgrade: bool) -> None:
    allow_by_scope(resolved(read_only=True), "c-1", method, target, upgrade=upgrade)


@pytest.mark.parametrize(
    ("method", "target", "upgrade"),
    [
        ("POST", "/api/v1/namespaces/n/pods", False),
        ("DELETE", "/api/v1/namespaces/n/pods/p", False),
        ("PATCH", "/x", False),
        ("PUT", "/x", False),
        ("GET", "/api/v1/nodes/n/%70roxy/run", False),
        ("GET", "/api/v1/nodes/n/pr%6Fxy", False),
        ("GET", "/api/v1/n%6fdes/a%3Fb/proxy/run", False),
        ("GET", "/%61pi/v1/namespaces/n/pods/p/%65xec?command=sh", False),
        ("GET", "/api/v1/namespaces/n/pods/p/exec?command=sh", False),
        ("GET", "/api/v1/namespaces/n/pods/p/log", True),
        ("GET", "/api/v1/namespaces/n/pods/p/portforward", False),
        ("GET", "/api/v1/namespaces/n/services/s/proxy/x", False),
        ("GET", "/api/v1/nodes/n/proxy/run", False),
        ("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", False),
        ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews/x", False),
    ],
)
def test_a_read_only_token_may_not_do_more_whatever_the_method_looks_like(
    method: str, target: str, upgrade: bool
) -> None:
    with pytest.raises(Forbidden, match="read-only"):
        allow_by_scope(resolved(read_only=True), "c-1", method, target, upgrade=upgrade)
    allow_by_scope(resolved(), "c-1", method, target, upgrade=upgrade)


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "PURGE", "PROPFIND", "get", ""])
@pytest.mark.parametrize("read_only", [True, False])
def test_no_token_allows_a_method_that_kubernetes_does_not_have(
    method: str, read_only: bool
) -> None:
    with pytest.raises(MethodNotAllowed) as caught:
        allow_by_scope(resolved(read_only=read_only), "c-1", method, "/api", upgrade=False)
    assert "GET" in caught.value.headers()["Allow"]


FOR_A_PROJECT: dict[str, Any] = {
    "projects": ("p-shop",),
    "namespaces": {"c-1": frozenset({"shop-web"})},
}


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/api/v1/namespaces/shop-web"),
        ("GET", "/api/v1/namespaces/shop%2Dweb/pods?watch=1"),
        ("DELETE", "/apis/apps/v1/namespaces/shop-web/deployments/d"),
        ("GET", "/api/v1/watch/namespaces/shop-web/pods"),
        ("GET", "/version"),
        ("GET", "/api"),
        ("GET", "/apis/apps/v1?timeout=32s"),
        ("GET", "/openapi/v3/apis/apps/v1"),
        ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"),
    ],
)
def test_a_token_for_projects_reaches_their_namespaces(method: str, target: str) -> None:
    allow_by_scope(resolved(**FOR_A_PROJECT), "c-1", method, target, upgrade=False)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/api/v1/namespaces"),
        ("GET", "/api/v1/pods"),
        ("GET", "/api/v1/nodes"),
        ("GET", "/api/v1/namespaces/other/pods"),
        ("GET", "/%61pi/v1/namespaces/shop-web/pods"),
        ("GET", "/api/v1/namespaces/shop-web%2F..%2Fother/pods"),
        ("GET", "/api/v1/w%61tch/namespaces/shop-web/pods"),
        ("POST", "/api/v1/namespaces"),
        ("POST", "/version"),
        ("GET", "/metrics"),
        ("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews"),
    ],
)
def test_a_token_for_projects_reaches_nothing_else(method: str, target: str) -> None:
    with pytest.raises(Forbidden, match="namespaces of its projects"):
        allow_by_scope(resolved(**FOR_A_PROJECT), "c-1", method, target, upgrade=False)


def test_a_projects_namespaces_are_those_of_its_own_cluster() -> None:
    with pytest.raises(Forbidden):
        allow_by_scope(
            resolved(**FOR_A_PROJECT), "c-2", "GET", "/api/v1/namespaces/shop-web", upgrade=False
        )
