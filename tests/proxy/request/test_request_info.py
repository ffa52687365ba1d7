"""What a request asks for, in Kubernetes' words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.request_info import RequestInfo, request_info


@pytest.mark.parametrize(
    ("method", "target", "verb"),
    [
        ("GET", "/api/v1/pods", "list"),
        ("GET", "/api/v1/pods?limit=500", "list"),
        ("GET", "/api/v1/pods?watch=true", "watch"),
        ("GET", "/api/v1/pods?limit=1&watch=1&x=y", "watch"),
        ("GET", "/api/v1/pods?watch", "watch"),
        ("GET", "/api/v1/pods?watch=false", "list"),
        ("GET", "/api/v1/pods?labelSelector=watch%3D1", "list"),
        ("GET", "/api/v1/watch/namespaces/x/pods", "watch"),
        ("GET", "/api/v1/namespaces/default/pods", "list"),
        ("GET", "/api/v1/namespaces/default/pods/web", "get"),
        ("HEAD", "/api/v1/namespaces/default/pods/web", "get"),
        ("GET", "/api/v1/namespaces/default/pods/web/log?follow=true", "get"),
        ("GET", "/api/v1/namespaces/default", "get"),
        ("GET", "/api/v1/namespaces", "list"),
        ("GET", "/apis/apps/v1/deployments", "list"),
        ("GET", "/apis/apps/v1/namespaces/x/deployments/y/scale", "get"),
        ("DELETE", "/api/v1/namespaces/x/pods/y", "delete"),
        ("DELETE", "/api/v1/namespaces/x/pods", "deletecollection"),
        ("POST", "/api/v1/pods", "create"),
        ("PUT", "/api/v1/namespaces/x/pods/y", "update"),
        ("PATCH", "/api/v1/namespaces/x/pods/y", "patch"),
        ("GET", "/version", "get"),
        ("GET", "/api", "get"),
        ("GET", "/apis/apps/v1", "get"),
        ("GET", "/", "get"),
        ("POST", "/x", "post"),
        ("HEAD", "/x", "head"),
        ("OPTIONS", "/api/v1/pods", "options"),
        ("BREW", "/x", "other"),
        ("BREW", "/api/v1/pods", "other"),
    ],
)
def test_a_request_is_called_what_the_api_server_calls_it(
    method: str, target: str, verb: str
) -> None:
    assert request_info(method, target).verb == verb


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/api/v1/nodes/n1", RequestInfo("get", "", "v1", "", "nodes", "", "n1")),
        ("/api/v1/namespaces/ns", RequestInfo("get", "", "v1", "ns", "namespaces", "", "ns")),
        (
            "/api/v1/namespaces/ns/status",
            RequestInfo("get", "", "v1", "ns", "namespaces", "status", "ns"),
        ),
        (
            "/api/v1/namespaces/ns/pods/web/exec?command=sh",
            RequestInfo("get", "", "v1", "ns", "pods", "exec", "web"),
        ),
        (
            "/apis/apps/v1/namespaces/ns/deployments/web/scale",
            RequestInfo("get", "apps", "v1", "ns", "deployments", "scale", "web"),
        ),
        (
            "/api/v1/pods?fieldSelector=metadata.name%3Dweb",
            RequestInfo("list", "", "v1", "", "pods", "", "web"),
        ),
        (
            "/api/v1/pods?fieldSelector=status.phase%21%3DRunning",
            RequestInfo("list", "", "v1", "", "pods"),
        ),
        ("/openapi/v3", RequestInfo("get")),
    ],
)
def test_a_request_names_what_it_is_about(target: str, expected: RequestInfo) -> None:
    assert request_info("GET", target) == expected


def test_a_followed_log_and_a_watch_go_on_until_somebody_ends_them() -> None:
    log = "/api/v1/namespaces/ns/pods/web/log"
    assert request_info("GET", f"{log}?follow=true&tailLines=1").long_running
    assert request_info("GET", "/api/v1/pods?watch=1").long_running
    assert not request_info("GET", log).long_running
    assert not request_info("GET", "/api/v1/pods").long_running


@given(st.sampled_from(["GET", "POST", "DELETE", "X"]), st.text("/ap?&=wtch1.%s-", max_size=40))
def test_any_target_is_called_something_from_a_short_list(method: str, rest: str) -> None:
    verbs = "get list watch create update patch delete deletecollection other post options head put"
    assert request_info(method, f"/{rest}").verb in verbs.split()
    assert request_info(method, f"/api/v1/{rest}").verb in verbs.split()
