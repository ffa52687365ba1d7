"""Parsing of request lines for the fast path, with a cache."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.request.request_info import request_info
from proxy.request.request_line import RequestLine, parse_request_line
from proxy.request.target import InvalidTarget, parse_target


def parsed(line: bytes) -> RequestLine:
    found = parse_request_line(line)
    assert found is not None
    return found


def test_request_line_contains_cluster_target_and_verb() -> None:
    found = parsed(b"GET /k8s/clusters/prod/api/v1/namespaces/x/pods?watch=1 HTTP/1.1")
    assert (found.method, found.cluster) == ("GET", "prod")
    assert found.path == "/k8s/clusters/prod/api/v1/namespaces/x/pods"
    assert found.target == "/api/v1/namespaces/x/pods?watch=1"
    assert found.target_bytes == found.target.encode()
    assert found.info.verb == "watch"
    assert found.retryable
    assert not found.proxied


def test_equal_request_lines_are_parsed_once() -> None:
    line = b"GET /k8s/clusters/prod/api/v1/pods HTTP/1.1"
    assert parsed(line) is parsed(line)


def test_long_request_line_is_parsed_but_not_cached() -> None:
    line = b"GET /k8s/clusters/prod/api?x=%b HTTP/1.1" % (b"y" * 2000)
    assert parsed(line).target == parsed(line).target
    assert parsed(line) is not parsed(line)


def test_write_is_not_retryable() -> None:
    for method in (b"POST", b"PUT", b"PATCH", b"DELETE"):
        assert not parsed(method + b" /k8s/clusters/prod/api HTTP/1.1").retryable


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
def test_unusual_request_line_is_left_to_the_ordinary_path(line: bytes) -> None:
    assert parse_request_line(line) is None


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60))
def test_request_line_has_the_same_target_as_the_ordinary_path(rest: str) -> None:
    raw = "/k8s/clusters/" + rest
    found = parse_request_line(b"GET %b HTTP/1.1" % raw.encode())
    try:
        target = parse_target(raw)
    except InvalidTarget:
        assert found is None
        return
    if "#" in raw:  # HTTP allows no fragment in a request target
        assert found is None
        return
    assert found is not None
    assert (found.cluster, found.target) == (target.cluster, target.target)
    assert found.info == request_info("GET", target.target)
