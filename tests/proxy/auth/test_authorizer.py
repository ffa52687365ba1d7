"""Authorization of a token for a cluster and a request."""

from datetime import UTC, datetime
from typing import Any

import pytest

from impersonation.identity import Identity
from management.authentication.authenticated_token import AuthenticatedToken
from management.authorization.access import access_of
from management.authorization.role_catalog import RoleCatalog
from proxy.auth.authorizer import authorize_cluster, authorize_token_scope, refuse_order
from proxy.response.status import (
    Forbidden,
    MethodNotAllowed,
    ResourceNotFound,
    ServiceUnavailable,
)
from proxy.upstream.ordered_clusters import OrderedCluster
from store.records import Token, User
from tests.store.records import a_binding, a_token, a_user


def resolved(
    *,
    administrator: bool = False,
    roles: dict[str, str] | None = None,
    namespaces: dict[str, frozenset[str]] | None = None,
    **token: Any,
) -> AuthenticatedToken:
    held = [a_binding(role=f"cluster-{role}", cluster=one) for one, role in (roles or {}).items()]
    if administrator:
        held.append(a_binding(role="administrator", cluster=None))
    user: User = a_user(administrator=administrator)
    stored: Token = a_token(**token)
    return AuthenticatedToken(
        token=stored,
        user=user,
        identity=Identity(user.id, "alice", "local", "local://u-alice", (), administrator),
        access=access_of(held, RoleCatalog()),
        namespaces=namespaces or {},
        expires_at=float("inf"),
        trusted_until=datetime.now(UTC).timestamp(),
    )


def test_cluster_role_or_administrator_allows_access() -> None:
    authorize_cluster(resolved(roles={"c-1": "member"}), "c-1", "prod")
    authorize_cluster(resolved(administrator=True), "c-1", "prod")


def test_inaccessible_and_unknown_cluster_have_the_same_message() -> None:
    messages = []
    for cluster_id in (None, "c-1"):
        with pytest.raises(ResourceNotFound) as caught:
            authorize_cluster(resolved(roles={"c-2": "owner"}), cluster_id, "prod")
        messages.append(caught.value.message)
    assert messages[0] == messages[1]


def test_token_for_clusters_is_limited_to_them_for_every_user() -> None:
    for rights in ({"administrator": True}, {"roles": {"c-1": "owner"}}):
        scoped = resolved(clusters=("c-2",), **rights)
        with pytest.raises(Forbidden, match="is not for cluster"):
            authorize_cluster(scoped, "c-1", "prod")
    authorize_cluster(resolved(administrator=True, clusters=("c-1",)), "c-1", "prod")


def test_token_for_a_cluster_does_not_grant_access_that_the_user_lacks() -> None:
    with pytest.raises(ResourceNotFound):
        authorize_cluster(resolved(clusters=("c-1",)), "c-1", "prod")


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
def test_read_only_token_allows_reads(method: str, target: str, upgrade: bool) -> None:
    authorize_token_scope(resolved(read_only=True), "c-1", method, target, upgrade=upgrade)


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
def test_read_only_token_rejects_writes_in_any_spelling(
    method: str, target: str, upgrade: bool
) -> None:
    with pytest.raises(Forbidden, match="read-only"):
        authorize_token_scope(resolved(read_only=True), "c-1", method, target, upgrade=upgrade)
    authorize_token_scope(resolved(), "c-1", method, target, upgrade=upgrade)


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "PURGE", "PROPFIND", "get", ""])
@pytest.mark.parametrize("read_only", [True, False])
def test_method_unknown_to_kubernetes_is_rejected(method: str, read_only: bool) -> None:
    with pytest.raises(MethodNotAllowed) as caught:
        authorize_token_scope(resolved(read_only=read_only), "c-1", method, "/api", upgrade=False)
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
def test_project_token_allows_namespaces_of_its_projects(method: str, target: str) -> None:
    authorize_token_scope(resolved(**FOR_A_PROJECT), "c-1", method, target, upgrade=False)


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
def test_project_token_rejects_other_namespaces_and_resources(method: str, target: str) -> None:
    with pytest.raises(Forbidden, match="namespaces of its projects"):
        authorize_token_scope(resolved(**FOR_A_PROJECT), "c-1", method, target, upgrade=False)


def test_project_token_rejects_the_namespace_in_another_cluster() -> None:
    with pytest.raises(Forbidden):
        authorize_token_scope(
            resolved(**FOR_A_PROJECT), "c-2", "GET", "/api/v1/namespaces/shop-web", upgrade=False
        )


SERVICE = "/api/v1/namespaces/n/services/s"
PAGES = [
    f"{SERVICE}/proxy",
    f"{SERVICE}/proxy/",
    f"{SERVICE}/proxy/a/b?c=d",
    "/api/v1/namespaces/n/services/https:s:443/proxy/a",
    "/api/v1/namespaces/n/services/https%3As%3A443/proxy/a",
    "/api/v1/namespaces/n/pods/p:8080/proxy/metrics",
    "/%61pi/v1/namespaces/n/services/s/%70roxy/",
    "/api/v1/nodes/n/proxy/metrics",
    "/api/v1/nodes/n/proxy/metrics/cadvisor?a=b",
    "/api/v1/nodes/https:n:10250/proxy/metrics%2Fresource",
]


@pytest.mark.parametrize("target", PAGES)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_proxy_read_token_allows_get_and_head_of_services_and_pods(
    target: str, method: str
) -> None:
    token = resolved(read_only=True, proxy_read=True)
    authorize_token_scope(token, "c-1", method, target, upgrade=False)
    authorize_token_scope(token, "c-1", "GET", "/api/v1/pods", upgrade=False)
    with pytest.raises(Forbidden, match="read-only"):
        authorize_token_scope(resolved(read_only=True), "c-1", method, target, upgrade=False)


@pytest.mark.parametrize("target", PAGES)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_proxy_read_token_rejects_other_methods_and_upgrades(target: str, method: str) -> None:
    token = resolved(read_only=True, proxy_read=True)
    with pytest.raises(Forbidden, match="read-only"):
        authorize_token_scope(token, "c-1", method, target, upgrade=False)
    with pytest.raises(Forbidden, match="read-only"):
        authorize_token_scope(token, "c-1", "GET", target, upgrade=True)


@pytest.mark.parametrize(
    "target",
    [
        "/api/v1/nodes/n/proxy/run/n/p/c?cmd=sh",
        "/api/v1/nodes/n/proxy",
        "/api/v1/nodes/https%3An%3A10250/proxy/exec/n/p/c?command=sh",
        "/api/v1/nodes/n/%70roxy/",
        "/api/v1/nodes/n/proxy/metrics/",
        "/api/v1/nodes/n/proxy/metrics/../run/n/p/c?cmd=sh",
        "/api/v1/nodes/n/proxy/metrics/cadvisor/../../exec/n/p/c?command=sh",
        "/api/v1/nodes/n/proxy/metrics%3Fx/../run",
        "/api/v1/nodes/n/proxy/logs/",
        "/api/v1/nodes/n%2Fproxy%2Fmetrics/proxy/run",
        "/api/v1/nodes/n/proxy/configz",
        "/api/v1/namespaces/n/pods/p/exec?command=sh",
        "/api/v1/namespaces/n/pods/p/attach",
        "/api/v1/namespaces/n/pods/p/portforward",
    ],
)
def test_proxy_read_token_rejects_kubelets_and_exec(target: str) -> None:
    with pytest.raises(Forbidden, match="read-only"):
        authorize_token_scope(
            resolved(read_only=True, proxy_read=True), "c-1", "GET", target, upgrade=False
        )


def test_proxy_read_token_for_projects_rejects_other_namespaces() -> None:
    token = resolved(
        read_only=True, proxy_read=True, projects=("p-1",), namespaces={"c-1": frozenset({"n"})}
    )
    authorize_token_scope(token, "c-1", "GET", f"{SERVICE}/proxy/", upgrade=False)
    with pytest.raises(Forbidden):
        authorize_token_scope(
            token, "c-1", "GET", "/api/v1/namespaces/m/services/s/proxy/", upgrade=False
        )


def an_ordered(owner: str = "u-alice") -> OrderedCluster:
    return OrderedCluster("c-1", "prod", owner, "provisioning", "quota exceeded")


def test_order_is_refused_with_its_state_to_those_who_see_it() -> None:
    mine = "on order \\(provisioning\\) and cannot be entered yet: quota exceeded"
    with pytest.raises(ServiceUnavailable, match=mine) as caught:
        refuse_order(resolved(), an_ordered())
    assert caught.value.headers()["Warning"].startswith('299 - "cluster')
    with pytest.raises(ServiceUnavailable, match=r"cannot be entered yet$"):
        refuse_order(resolved(administrator=True), an_ordered("u-bob"))


def test_order_that_the_caller_may_not_see_is_not_named() -> None:
    refuse_order(resolved(), None)
    refuse_order(resolved(), an_ordered("u-bob"))
    refuse_order(resolved(roles={"c-2": "owner"}), an_ordered("u-bob"))
    refuse_order(resolved(clusters=("c-2",)), an_ordered())
    refuse_order(resolved(confined=True), an_ordered())
