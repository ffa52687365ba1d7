"""From a request target to a cluster and what it is asked."""

from posixpath import normpath
from urllib.parse import unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.routing import PREFIX, BadTarget, Route, is_proxied, path_alone, route


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("/k8s/clusters/c-1/api/v1/pods?limit=5", Route("c-1", "/api/v1/pods?limit=5")),
        ("/k8s/clusters/prod", Route("prod", "/")),
        ("/k8s/clusters/prod/", Route("prod", "/")),
        ("/k8s/clusters/prod?x=%2F..", Route("prod", "/?x=%2F..")),
        ("/k8s/clusters/a/apis/x/y%20z", Route("a", "/apis/x/y%20z")),
        (
            "/k8s/clusters/a/api/v1/namespaces/n/services/https:s:443/proxy//x%2Fy",
            Route("a", "/api/v1/namespaces/n/services/https:s:443/proxy//x%2Fy"),
        ),
    ],
)
def test_path_and_query_go_upstream_as_they_came(raw: str, expected: Route) -> None:
    assert route(raw) == expected


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
def test_what_two_servers_might_read_differently_is_refused(raw: str) -> None:
    with pytest.raises(BadTarget):
        route(raw)


@given(st.text(st.characters(codec="latin-1"), max_size=60))
def test_what_passes_is_the_raw_rest_and_has_no_way_out_of_the_cluster(rest: str) -> None:
    raw = PREFIX + rest
    try:
        way = route(raw)
    except BadTarget:
        return
    assert raw.startswith(PREFIX + way.cluster)
    assert (PREFIX + way.cluster + way.target).replace("/?", "?").rstrip("/") in (
        raw.replace("/?", "?").rstrip("/"),
        raw.rstrip("/"),
    )
    path = way.target.partition("?")[0]
    assert ".." not in path.lower().replace("%2e", ".").split("/")
    assert way.target.isascii()
    assert way.target.isprintable()


PIECES = st.sampled_from(
    [
        *("/", "//", ".", "..", "%2e", "%2E%2e", ".%2e", "%2f", "%2F", "%5c", "\\", "%25", "%252e"),
        *("%00", "%0d%0a", "%7f", "%", "%4", "%zz", "a", "b", "api", "v1", "namespaces", "pods"),
        *("services", "nodes", "/proxy", "proxy/", "/api/v1/nodes/n/proxy/", "?", "#", ";", ":"),
        *(" ", "\t", "\n", "\u00e9", "k8s/clusters/", "%70roxy", "@", "&x=../..", "https://x"),
    ]
)


def as_read_by_a_server(path: str) -> str:
    """A path decoded and cleaned, as servers do: what it really names."""
    decoded = unquote(path)
    return normpath(decoded) + ("/" if decoded.endswith("/") and decoded != "/" else "")


@given(st.lists(PIECES, max_size=12).map("".join))
@example("a/api/v1/nodes/n/proxy//x%2Fy")
@example("a/api/v1/nodes/n/proxy/..%2fx")
@example("a/api/v1/nodes/n/proxy/x%2f%2e%2E%2fy")
@example("a/api/v1/nodes/n/proxy/x%5c..")
@settings(max_examples=1000)
def test_whatever_passes_names_the_same_to_a_server_that_cleans_paths(rest: str) -> None:
    raw = PREFIX + rest
    try:
        way = route(raw)
    except BadTarget:
        return
    assert "/" not in way.cluster
    assert raw in {PREFIX + way.cluster + way.target, PREFIX + way.cluster + way.target[1:]}
    path = way.target.partition("?")[0]
    assert path.startswith("/")
    assert all(segment not in {".", ".."} for segment in unquote(path).split("/"))
    assert not set(unquote(path)) & set("\0\r\n\x7f")
    if not is_proxied(way.target):
        assert as_read_by_a_server(path) == unquote(path)


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_target_that_does_not_begin_with_the_prefix_is_nobodys(before: str, rest: str) -> None:
    raw = before + PREFIX + rest
    if before and not raw.startswith(PREFIX):
        with pytest.raises(BadTarget):
            route(raw)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/api/v1/namespaces/n/services/s/proxy/x", True),
        ("/api/v1/nodes/n/proxy", True),
        ("/api/v1/namespaces/proxy/pods", False),
        ("/api/v1/namespaces/n/pods/proxy/log", False),
    ],
)
def test_a_proxied_path_is_told_by_its_subresource(target: str, expected: bool) -> None:
    assert is_proxied(target) is expected


def test_a_path_is_told_without_its_query_and_without_a_fragment() -> None:
    for target in ("/a/b", "/a/b?token=s3cret", "/a/b#s3cret", "/a/b#x?y", "/a/b?x#y"):
        assert path_alone(target) == "/a/b"
