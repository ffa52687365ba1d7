"""Rewriting of locations and links of upstreams, and the URLs to which clients resolve them."""

import re
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.response.references import (
    once_prefixed,
    rewrite_link,
    rewrite_location,
    upstreams_of,
)

PREFIX = b"/k8s/clusters/c-1"
BASE = b"/api/v1/namespaces/n/services/http:s:80/proxy"
ORIGIN = "https://proxy.example"
KNOWN = upstreams_of(
    [
        "https://10.0.0.1:6443",
        "https://Rancher.example/k8s/clusters/c-9/",
        "https://[fd00::1]:6443",
    ],
    "/k8s/clusters/c-1",
    "/k8s/clusters/prod",
)

MODES = {
    "at the proxy": (ORIGIN, "/k8s/clusters/c-1"),
    "by the cluster's name": (ORIGIN, "/k8s/clusters/prod"),
    "behind kubectl proxy that adds the prefix": ("http://localhost:8001", ""),
    "behind kubectl proxy": ("http://localhost:8001", "/k8s/clusters/c-1"),
}


def resolve(mode: str, target: bytes, location: bytes) -> str:
    """Resolve ``location`` in a response to ``target``; return its path at the API server."""
    origin, before = MODES[mode]
    found = urljoin(origin + before + target.decode(), location.decode("latin-1"))
    assert found.startswith(origin + before + "/"), found
    return found.removeprefix(origin + before)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("page", "location", "expected"),
    [
        # The API server rewrites it to its path of the service.
        ("/", BASE + b"/login", "/login"),
        ("/a/b", BASE + b"/login?next=/a/b#x", "/login?next=/a/b#x"),
        ("/a/b", BASE + b"/", "/"),
        ("", BASE + b"/", "/"),
        ("/a/", BASE + b"/a/c:d", "/a/c:d"),
        ("/a", b"/api/v1/namespaces/n/services/http%3As%3A80/proxy/x", "/x"),
        # The address at which the service got the request is the API server's.
        ("/a", b"https://10.0.0.1:6443" + BASE + b"/x", "/x"),
        ("/a", b"http://10.0.0.1:6443" + BASE + b"/x", "/x"),
        ("/a", b"https://10.0.0.1/x", "/x"),
        ("/a", b"HTTPS://someone@10.0.0.1.:6443/x", "/x"),
        ("/a", b"https://[FD00::1]:6443/x", "/x"),
        ("/a", b"https://10.0.0.1:6443", "/"),
        ("/a", b"https://10.0.0.1:6443?x=1", "/?x=1"),
        ("/a", b"//10.0.0.1:6443/x", "/x"),
        ("/a", b"https://%31%30.0.0.1/x", "/x"),
        # The URL of a server has a path, or the location has Sekisho's prefix already.
        ("/a", b"/k8s/clusters/c-9" + BASE + b"/x", "/x"),
        ("/a", b"https://rancher.example/k8s/clusters/c-9" + BASE + b"/x", "/x"),
        ("/a", PREFIX + BASE + b"/x", "/x"),
        ("/a", b"/k8s/clusters/prod" + BASE + b"/x", "/x"),
        ("/a", BASE + PREFIX + BASE + b"/x", "/x"),
        # Relative locations, which http.FileServer sends.
        ("/a", b"a/", "/a/"),
        ("/index.html", b"./", "/"),
        ("/a/b/c", b"../x", "/a/x"),
        # Attempts to leave the service.
        ("/a", b"/../../../../..", "/"),
        ("/a", b"/..", "/"),
        ("/a/b", b"../../../../../../../../../v1/me", "/v1/me"),
        ("/a", b"/%2e%2e/%2E./v1/me", "/v1/me"),
        ("/a", b"/x/..%2f..", "/x/..%2f.."),
        ("/a", b"..", "/"),
        ("/a", BASE + b"/../../../../../../../v1/me", "/v1/me"),
        ("/a", b"/v1/me", "/v1/me"),
        ("/a", b"/\\evil.example/x", "/evil.example/x"),
        ("/a", b"\\\\evil.example", "/evil.example"),
        ("/a", b"///evil.example", "/evil.example"),
        ("/a", b"/\t/evil.example/x", None),
        ("/a", b"/x\\..\\..\\..\\..\\v1", "/x%5C..%5C..%5C..%5C..%5Cv1"),
        ("/a", b"https:/v1/me", "/v1/me"),
        ("/a", b"https:v1/me", "/v1/me"),
        ("/a", b" \x01/x ", "/x"),
    ],
)
def test_location_of_the_same_host_stays_below_the_service(
    mode: str, page: str, location: bytes, expected: str | None
) -> None:
    target = BASE + page.encode()
    rewritten = rewrite_location(location, target + b"?q=1", PREFIX, KNOWN)
    if expected is None:
        assert rewritten == b"//evil.example/x"
        return
    assert resolve(mode, target, rewritten) == BASE.decode() + expected
    assert b"10.0.0.1" not in rewritten


def test_location_with_an_empty_segment_keeps_it() -> None:
    rewritten = rewrite_location(BASE + b"/a//b", BASE + b"/a/b", PREFIX, KNOWN)
    assert rewritten == b".//b"


@pytest.mark.parametrize(
    "location",
    [b"https://evil.example/x", b"//evil.example/x", b"http://evil.example", b"app:callback?x"],
)
def test_location_of_another_host_is_unchanged(location: bytes) -> None:
    for target in (b"/api", BASE + b"/x"):
        assert rewrite_location(location, target, PREFIX, KNOWN) == location


def test_location_of_another_host_is_written_unambiguously() -> None:
    for odd in (rb"https:/\evil.example/x", rb"https:\\evil.example/x", b"https:///evil.example/x"):
        assert rewrite_location(odd, b"/x", PREFIX, KNOWN) == b"https://evil.example/x"


@pytest.mark.parametrize(
    ("location", "rewritten"),
    [
        (b"/v1/me", b"/k8s/clusters/c-1/v1/me"),
        (b"/k8s/clusters/c-1/api", b"/k8s/clusters/c-1/api"),
        (b"/k8s/clusters/c-9/api", b"/k8s/clusters/c-1/api"),
        (b"/k8s/clusters/c-9x/api", b"/k8s/clusters/c-1/k8s/clusters/c-9x/api"),
        (b"/k8s/clusters/b/api", b"/k8s/clusters/c-1/k8s/clusters/b/api"),
        (b"../../../v1/me", b"/k8s/clusters/c-1/v1/me"),
        (b"/../..", b"/k8s/clusters/c-1/"),
        (b"https://10.0.0.1:6443/api", b"/k8s/clusters/c-1/api"),
        (b"", b""),
        (b"?x", b"?x"),
        (b"#x", b"#x"),
    ],
)
def test_location_of_the_api_server_has_the_prefix_once(location: bytes, rewritten: bytes) -> None:
    assert rewrite_location(location, b"/api/v1", PREFIX, KNOWN) == rewritten


odd = st.lists(
    st.sampled_from(
        [b"/", b"\\", b"..", b".", b"%2e", b"%2E%2e", b"%2f", b"a", b"k8s/clusters/c-1", b"\t",
         BASE, b"https:", b"//", b"10.0.0.1", b"?", b"#", b":", b"@", b" ", b"[", b"\xe9", b";"]
    ),
    max_size=9,
).map(b"".join)  # fmt: skip


@given(odd, st.sampled_from([b"", b"/", b"/a", b"/a/b/", b"//", b"/a:b/c"]))
def test_no_location_leaves_the_service(location: bytes, page: bytes) -> None:
    """Read it as a browser: a backslash is a slash, a tab is removed, %2e is a dot."""
    target = BASE + page
    rewritten = rewrite_location(location, target, PREFIX, KNOWN)
    read = (
        rewritten.replace(b"\t", b"")
        .replace(b"\\", b"/")
        .replace(b"%2e", b".")
        .replace(b"%2E", b".")
    )
    text = read.decode("latin-1")
    try:
        parts = urlsplit(text)
    except ValueError:
        return  # No client follows it.
    if parts.scheme or parts.netloc:
        assert parts.hostname != "10.0.0.1"
        plain = location.replace(b"\t", b"").strip()
        assert re.match(rb"//|[a-z][a-z0-9+.-]*:", plain)
        return
    # Clients resolve ".." after an empty segment differently, so that the location is absolute.
    for mode in MODES if page != b"//" else ["at the proxy"]:
        assert resolve(mode, target, read).startswith(BASE.decode())


@pytest.mark.parametrize(
    ("link", "rewritten"),
    [
        (BASE + b"/x", PREFIX + BASE + b"/x"),
        (BASE + b"/", PREFIX + BASE + b"/"),
        (b"/x", PREFIX + BASE + b"/x"),
        (b" /x?a=/b&c#d ", PREFIX + BASE + b"/x?a=/b&c#d"),
        (b"https://10.0.0.1:6443" + BASE + b"/x", PREFIX + BASE + b"/x"),
        (b"//10.0.0.1:6443/x", PREFIX + BASE + b"/x"),
        (PREFIX + BASE + b"/x", PREFIX + BASE + b"/x"),
        (b"/../../..", PREFIX + BASE + b"/"),
        (b"x/y", b"x/y"),
        (b"../x", b"../x"),
        (b"#x", b"#x"),
        (b"?x", b"?x"),
        (b"", b""),
        (b"https://elsewhere.example/x", b"https://elsewhere.example/x"),
        (b"//elsewhere.example/x", b"//elsewhere.example/x"),
        (b"mailto:x@y", b"mailto:x@y"),
        (b"javascript:void(0)", b"javascript:void(0)"),
        (b"data:image/png;base64,/x", b"data:image/png;base64,/x"),
    ],
)
def test_link_of_the_same_host_has_the_prefix_once(link: bytes, rewritten: bytes) -> None:
    assert rewrite_link(link, BASE + b"/a?b", PREFIX, KNOWN) == rewritten


@pytest.mark.parametrize("cluster", ["c-1", "prod"])
@pytest.mark.parametrize("inner", ["/k8s/clusters/c-1", "/k8s/clusters/prod"])
def test_request_with_a_repeated_prefix_is_redirected(cluster: str, inner: str) -> None:
    path = BASE.decode() + "/a/b"
    rewritten = once_prefixed(cluster.encode(), f"{inner}{path}?x=/y".encode(), KNOWN)
    assert rewritten is not None
    for before in (f"/k8s/clusters/{cluster}", ""):
        target = f"{ORIGIN}{before}{inner}{path}"
        assert urljoin(target, rewritten.decode()) == f"{ORIGIN}{before}{path}?x=/y"


@pytest.mark.parametrize(
    "target",
    [BASE + b"/a", PREFIX + b"/api/v1/pods", b"/k8s/clusters/b" + BASE + b"/", b"/api?x=" + PREFIX],
)
def test_request_without_a_repeated_prefix_is_not_redirected(target: bytes) -> None:
    assert once_prefixed(b"c-1", target, KNOWN) is None
