"""Verb, resource and name of a request, as the API server derives them."""

import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.request.request_info import RequestInfo, request_info


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
def test_request_has_the_verb_of_the_api_server(method: str, target: str, verb: str) -> None:
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
def test_request_has_the_resource_of_its_path(target: str, expected: RequestInfo) -> None:
    assert request_info("GET", target) == expected


def test_followed_log_and_watch_are_long_running() -> None:
    log = "/api/v1/namespaces/ns/pods/web/log"
    assert request_info("GET", f"{log}?follow=true&tailLines=1").long_running
    assert request_info("GET", "/api/v1/pods?watch=1").long_running
    assert not request_info("GET", log).long_running
    assert not request_info("GET", "/api/v1/pods").long_running


@pytest.mark.parametrize(
    ("query", "watches"),
    [
        ("watch=yes", True),
        ("watch=0&watch=1", False),
        ("watch=1&watch=0", True),
        ("watch=FALSE", False),
        ("w%61tch=1", True),
        ("watch=%zz&watch=1", True),
        ("watch=1;x&limit=1", False),
        ("watch%=1", False),
        ("watch=%31", True),
        ("watch+=1", False),
    ],
)
def test_request_is_a_watch_if_the_api_server_treats_it_as_one(query: str, watches: bool) -> None:
    info = request_info("GET", f"/api/v1/pods?{query}")
    assert info.verb == ("watch" if watches else "list")


@pytest.mark.parametrize(
    ("selector", "name"),
    [
        ("metadata.name=web", "web"),
        ("metadata.name==web", "web"),
        ("status.phase!=Running,metadata.name=web", "web"),
        ("metadata.name=web,metadata.namespace=x", "web"),
        ("metadata.name=b,metadata.name=a", "a"),
        ("metadata.name!=web", ""),
        ("metadata.name=", ""),
        ("metadata.name=a=b", ""),
        ("metadata.name=a/b", ""),
        ("metadata.name=..", ""),
        ("x=a\\,metadata.name=web", ""),
        (" metadata.name=web", ""),
        ("metadata.name", ""),
        ("nonsense,metadata.name=web", ""),
        ("metadata.name=" + 40_000 * " " + "!", 40_000 * " " + "!"),
    ],
)
def test_field_selector_sets_the_name_as_in_the_api_server(selector: str, name: str) -> None:
    info = request_info("GET", f"/api/v1/pods?fieldSelector={quote(selector)}")
    assert info.name == name


def test_field_selector_of_a_deletion_sets_no_name() -> None:
    target = "/api/v1/namespaces/x/pods?fieldSelector=metadata.name%3Dweb"
    assert request_info("DELETE", target).name == ""


@pytest.mark.parametrize(
    "query",
    [
        "fieldSelector=metadata.name%3D" + 340_000 * "+" + "!",
        "fieldSelector=" + 340_000 * "%5C,",
        "fieldSelector=" + 340_000 * "a=b,",
        500_000 * "a&",
        260_000 * "%61&",
        "watch=" + 340_000 * "%31",
    ],
    ids=["spaces", "escapes", "terms", "pairs", "escaped names", "escaped value"],
)
def test_query_of_one_mebibyte_is_parsed_in_linear_time(query: str) -> None:
    begun = time.thread_time()
    request_info("GET", f"/api/v1/pods?{query}")
    assert time.thread_time() - begun < 2


@given(st.sampled_from(["GET", "POST", "DELETE", "X"]), st.text("/ap?&=wtch1.%s-", max_size=40))
def test_any_target_has_a_verb_of_the_fixed_list(method: str, rest: str) -> None:
    verbs = "get list watch create update patch delete deletecollection other post options head put"
    assert request_info(method, f"/{rest}").verb in verbs.split()
    assert request_info(method, f"/api/v1/{rest}").verb in verbs.split()
