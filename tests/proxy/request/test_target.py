"""Splitting of a request target into a cluster and its target at the API server."""

from posixpath import normpath
from urllib.parse import unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.request.target import (
    PREFIX,
    InvalidTarget,
    RequestTarget,
    is_proxy_subresource,
    parse_target,
    path_without_query,
)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("/k8s/clusters/c-1/api/v1/pods?limit=5", RequestTarget("c-1", "/api/v1/pods?limit=5")),
        ("/k8s/clusters/prod", RequestTarget("prod", "/")),
        ("/k8s/clusters/prod/", RequestTarget("prod", "/")),
        ("/k8s/clusters/prod?x=%2F..", RequestTarget("prod", "/?x=%2F..")),
        ("/k8s/clusters/a/apis/x/y%20z", RequestTarget("a", "/apis/x/y%20z")),
        (
            "/k8s/clusters/a/api/v1/namespaces/n/services/https:s:443/proxy//x%2Fy",
            RequestTarget("a", "/api/v1/namespaces/n/services/https:s:443/proxy//x%2Fy"),
        ),
    ],
)
def test_path_and_query_are_passed_unchanged(raw: str, expected: RequestTarget) -> None:
    assert parse_target(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        "/k8s/clusters/a/../b/api",
        "/k8s/clusters/a/%2e%2e/b",
        "/k8s/clusters/a/%2E./b",
        "/k8s/clusters/a/./api",
        "/k8s/clusters/../v1/me",
        "/k8s/clusters/%2e%2e/v1/me",
        "/k8s/clusters//api",
        "/k8s/clusters/a//api",
        "/k8s/clusters/a/api//v1",
        "/k8s/clusters/a%2fb/api",
        "/k8s/clusters/a/api%2fv1",
        "/k8s/clusters/a/api%5cv1",
        "/k8s/clusters/a/api%252fv1",
        "/k8s/clusters/a/api\\v1",
        "/k8s/clusters/a/api%00",
        "/k8s/clusters/a/api%0d%0aX: y",
        "/k8s/clusters/a/api v1",
        "/k8s/clusters/a/%zz",
        "/k8s/clusters/a/x#y",
        "/k8s/clusters/a/caf\u00e9",
        "http://elsewhere/k8s/clusters/a/api",
        "/k8s/clustersX/a",
        "/k8s/clusters/a/api/v1/namespaces/n/services/s/proxy/../../secrets",
        "/k8s/clusters/a/api/v1/namespaces/n/services/s/proxy/x%2f..%2F..",
        "/k8s/clusters/a/api/v1/namespaces/n/services/s/proxy/x%5C%2e./y",
    ],
)
def test_target_that_two_servers_may_read_differently_is_rejected(raw: str) -> None:
    with pytest.raises(InvalidTarget):
        parse_target(raw)


@given(st.text(st.characters(codec="latin-1"), max_size=60))
def test_accepted_target_is_unchanged_and_stays_in_the_cluster(rest: str) -> None:
    raw = PREFIX + rest
    try:
        target = parse_target(raw)
    except InvalidTarget:
        return
    assert raw.startswith(PREFIX + target.cluster)
    assert (PREFIX + target.cluster + target.target).replace("/?", "?").rstrip("/") in (
        raw.replace("/?", "?").rstrip("/"),
        raw.rstrip("/"),
    )
    path = target.target.partition("?")[0]
    assert ".." not in path.lower().replace("%2e", ".").split("/")
    assert target.target.isascii()
    assert target.target.isprintable()


PIECES = st.sampled_from(
    [
        *("/", "//", ".", "..", "%2e", "%2E%2e", ".%2e", "%2f", "%2F", "%5c", "\\", "%25", "%252e"),
        *("%00", "%0d%0a", "%7f", "%", "%4", "%zz", "a", "b", "api", "v1", "namespaces", "pods"),
        *("services", "nodes", "/proxy", "proxy/", "/api/v1/nodes/n/proxy/", "?", "#", ";", ":"),
        *(" ", "\t", "\n", "\u00e9", "k8s/clusters/", "%70roxy", "@", "&x=../..", "https://x"),
    ]
)


def as_read_by_a_server(path: str) -> str:
    """Decode and normalize a path, as servers do."""
    decoded = unquote(path)
    return normpath(decoded) + ("/" if decoded.endswith("/") and decoded != "/" else "")


@given(st.lists(PIECES, max_size=12).map("".join))
@example("a/api/v1/nodes/n/proxy//x%2Fy")
@example("a/api/v1/nodes/n/proxy/..%2fx")
@example("a/api/v1/nodes/n/proxy/x%2f%2e%2E%2fy")
@example("a/api/v1/nodes/n/proxy/x%5c..")
@settings(max_examples=1000)
def test_accepted_target_is_equal_after_normalization(rest: str) -> None:
    raw = PREFIX + rest
    try:
        target = parse_target(raw)
    except InvalidTarget:
        return
    assert "/" not in target.cluster
    assert raw in {
        PREFIX + target.cluster + target.target,
        PREFIX + target.cluster + target.target[1:],
    }
    path = target.target.partition("?")[0]
    assert path.startswith("/")
    assert all(segment not in {".", ".."} for segment in unquote(path).split("/"))
    assert not set(unquote(path)) & set("\0\r\n\x7f")
    if not is_proxy_subresource(target.target):
        assert as_read_by_a_server(path) == unquote(path)


@given(st.text(max_size=20), st.text(max_size=20))
def test_target_without_the_prefix_is_rejected(before: str, rest: str) -> None:
    raw = before + PREFIX + rest
    if before and not raw.startswith(PREFIX):
        with pytest.raises(InvalidTarget):
            parse_target(raw)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/api/v1/namespaces/n/services/s/proxy/x", True),
        ("/api/v1/nodes/n/proxy", True),
        ("/api/v1/namespaces/proxy/pods", False),
        ("/api/v1/namespaces/n/pods/proxy/log", False),
    ],
)
def test_proxied_path_is_recognized_by_its_subresource(target: str, expected: bool) -> None:
    assert is_proxy_subresource(target) is expected


def test_path_without_query_removes_query_and_fragment() -> None:
    for target in ("/a/b", "/a/b?token=s3cret", "/a/b#s3cret", "/a/b#x?y", "/a/b?x#y"):
        assert path_without_query(target) == "/a/b"
