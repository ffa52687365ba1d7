"""Request lines, read once for all who need it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.asked import Asked, asked_by
from proxy.request_info import request_info
from proxy.routing import BadTarget, route


def asked(line: bytes) -> Asked:
    found = asked_by(line)
    assert found is not None
    return found


def test_a_line_says_which_way_and_what_kubernetes_calls_it() -> None:
    found = asked(b"GET /k8s/clusters/prod/api/v1/namespaces/x/pods?watch=1 HTTP/1.1")
    assert (found.method, found.cluster) == ("GET", "prod")
    assert found.path == "/k8s/clusters/prod/api/v1/namespaces/x/pods"
    assert found.target == "/api/v1/namespaces/x/pods?watch=1"
    assert found.target_bytes == found.target.encode()
    assert found.info.verb == "watch"
    assert found.repeatable
    assert not found.proxied


def test_the_same_line_is_read_once() -> None:
    line = b"GET /k8s/clusters/prod/api/v1/pods HTTP/1.1"
    assert asked(line) is asked(line)


def test_a_long_line_is_read_but_not_remembered() -> None:
    line = b"GET /k8s/clusters/prod/api?x=%b HTTP/1.1" % (b"y" * 2000)
    assert asked(line).target == asked(line).target
    assert asked(line) is not asked(line)


def test_only_what_reads_may_be_repeated() -> None:
    for method in (b"POST", b"PUT", b"PATCH", b"DELETE"):
        assert not asked(method + b" /k8s/clusters/prod/api HTTP/1.1").repeatable


@pytest.mark.parametrize(
    "line",
    [
        b"GET /v1/me HTTP/1.1",
        b"GET /k8s/clusters/prod/api HTTP/1.0",
        b"GET /k8s/clusters/prod/api HTTP/2.0",
        b"GET  /k8s/clusters/prod/api HTTP/1.1",
        b"GET /k8s/clusters/prod/api HTTP/1.1 ",
        b" GET /k8s/clusters/prod/api HTTP/1.1",
        b"get /k8s/clusters/prod/api HTTP/1.1",
        b"CONNECT /k8s/clusters/prod/api HTTP/1.1",
        b"TRACE /k8s/clusters/prod/api HTTP/1.1",
        b"GET http://x/k8s/clusters/prod/api HTTP/1.1",
        b"GET /k8s/clusters/prod/../other/api HTTP/1.1",
        b"GET /k8s/clusters/prod/api#x HTTP/1.1",
        b"GET /k8s/clusters/prod/a\xe4pi HTTP/1.1",
        b"GET /k8s/clusters/prod/api\tx HTTP/1.1",
        b"GET /k8s/clusters/prod/%2e%2e/api HTTP/1.1",
        b"GET /k8s/clusters//api HTTP/1.1",
        b"GET /k8s/clusters/prod/api\nHTTP/1.1",
        b"",
    ],
)
def test_what_is_out_of_the_ordinary_is_left_to_others(line: bytes) -> None:
    assert asked_by(line) is None


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60))
def test_it_finds_the_way_that_the_other_lane_finds(rest: str) -> None:
    raw = "/k8s/clusters/" + rest
    found = asked_by(b"GET %b HTTP/1.1" % raw.encode())
    try:
        way = route(raw)
    except BadTarget:
        assert found is None
        return
    if "#" in raw:  # a fragment: HTTP knows none in a request's target
        assert found is None
        return
    assert found is not None
    assert (found.cluster, found.target) == (way.cluster, way.target)
    assert found.info == request_info("GET", way.target)
