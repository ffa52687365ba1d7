"""There is one path to a cluster, and its target is forwarded byte for byte."""

import pytest

from tests.security.world import World

A = b"/k8s/clusters/a"


@pytest.mark.parametrize(
    "target",
    [
        A + b"/../b/api",
        A + b"/..",
        A + b"/../../../v1/me",
        A + b"/%2e%2e/b/api",
        A + b"/%2E%2e/b",
        A + b"/.%2e/b",
        A + b"/./api",
        A + b"/%2e/api",
        A + b"/api/..%2f..%2fb",
        A + b"//api",
        A + b"/api//v1",
        A + b"/api%2fv1",
        A + b"/api%2Fv1",
        A + b"/api%5cv1",
        A + b"/api%252fv1",
        A + b"/api%25%32%66v1",
        A + b"/api\\v1",
        A + b"/api%00",
        A + b"/api%0d%0aImpersonate-User:%20root",
        A + b"/api%0a",
        A + b"/api%7f",
        A + b"/api%",
        A + b"/api%2",
        A + b"/api%zz",
        A + b"/api%u002f",
        A + b"/api#x",
        A + b"/api\xc3\xa9",
        A + b"/api\xff",
        A + b"%2fapi",
        A + b"%2e%2e/b",
        b"/k8s/clusters/%61/api",
        b"/k8s/clusters/./a/api",
        b"/k8s/clusters/../clusters/a/api",
        b"/k8s/clusters/../../v1/me",
        b"/k8s/clusters/..",
        b"/k8s/clusters//a/api",
        b"/k8s/clusters//",
        b"/k8s/clusters/",
        b"/k8s/clusters",
        b"/k8s/",
        b"/k8s/clusters;x/a/api",
        b"/k8s/clustersX/a/api",
        b"/k8s//clusters/a/api",
        b"/k8s/./clusters/a/api",
        b"/k8s/%63lusters/a/api",
        A + b"/api/v1/namespaces/n/services/s/proxy/../../../secrets",
        A + b"/api/v1/namespaces/n/services/s/proxy/%2e%2e/x",
        A + b"/api/v1/namespaces/n/services/s/%2e%2e/proxy",
        A + b"/api/v1/nodes/n%2f..%2fm/proxy/",
        b"http://gate/k8s/clusters/a/api",
        b"https://127.0.0.1/k8s/clusters/a/api",
        b"HTTP://evil/k8s/clusters/a/api",
        b"gate:443",
        b"*",
        b"k8s/clusters/a/api",
        b"?/k8s/clusters/a/api",
        b"#/k8s/clusters/a/api",
        b"\\k8s\\clusters\\a\\api",
    ],
)
@pytest.mark.parametrize("method", [b"GET", b"OPTIONS"])
def test_ambiguous_target_is_rejected(world: World, target: bytes, method: bytes) -> None:
    response = world.send(world.head(user="root", method=method, target=target))
    assert response.status == 400
    world.assert_nothing_received()


@pytest.mark.parametrize(
    "target",
    [
        *(b"//k8s/clusters/a/api", b"/K8S/clusters/a/api", b"/k8s%2fclusters/a/api"),
        *(b"/./k8s/clusters/a/api", b"/x/../k8s/clusters/a/api", b"/%6b8s/clusters/a/api"),
        *(b"/v1/../k8s/clusters/a/api", b"/;/k8s/clusters/a/api", b"/k8s", b"/a/api"),
        *(b"/k8s/clusters/A/api", b"/k8s/clusters/a;x/api", b"/k8s/clusters/a%20/api"),
        *(b"/k8s/clusters/ab/api", b"/k8s/clusters/a./api", b"/k8s/clusters/a@b/api"),
    ],
)
def test_other_path_to_cluster_is_rejected(world: World, target: bytes) -> None:
    assert world.send(world.head(user="root", target=target)).status in {400, 404}
    world.assert_nothing_received()


@pytest.mark.parametrize(
    "rest",
    [
        b"/",
        b"/api/v1/pods?limit=5&x=%2e%2e/%2f//..&y=%0d%0aX:%20y",
        b"/api/v1/namespaces/n/configmaps/a%20b%3Ac",
        b"/api/v1/namespaces/n/services/https:s:443/proxy//x%2Fy//z?a=//b",
        b"/apis/x.y/v1/...",
        b"/api/v1/;a=b,c/~!$&'()*+@:=[]{}|^`\"<>",
        b"/api?",
        b"/api???",
        b"/?x#y",
    ],
)
def test_target_is_forwarded_byte_for_byte(world: World, rest: bytes) -> None:
    assert world.send(world.head(target=A + rest)).status == 200
    assert world.only_request().raw == world.expected_head(target=rest)


def test_cluster_without_path_is_forwarded_as_root(world: World) -> None:
    for target, arrived in ((A, b"/"), (A + b"?x=1", b"/?x=1")):
        world.a.reset()
        assert world.send(world.head(target=target)).status == 200
        assert world.only_request().raw == world.expected_head(target=arrived)


@pytest.mark.parametrize(
    "hosts",
    [
        (b"evil.example",),
        (b"127.0.0.1:6443",),
        (b"",),
        (b"a/k8s/clusters/b",),
        (b"gate:99999",),
        (b"user@gate",),
    ],
)
def test_host_header_has_no_effect_and_is_not_forwarded(
    world: World, hosts: tuple[bytes, ...]
) -> None:
    head = world.head().replace(b"Host: gate", b"Host: " + hosts[0])
    response = world.send(head)
    if response.status == 200:
        assert world.only_request().raw == world.expected_head()
    else:
        assert response.status == 400
        world.assert_nothing_received()


@pytest.mark.parametrize(
    "lines", [(b"Host: other",), (b"host: gate",), (b"Host: gate\r\n other",), (b"Host : other",)]
)
def test_two_host_headers_are_rejected(world: World, lines: tuple[bytes, ...]) -> None:
    assert world.send(world.head(*lines)).status == 400
    world.assert_nothing_received()


def test_x_forwarded_host_is_not_forwarded(world: World) -> None:
    head = world.head(b"X-Host: a", b"X-Forwarded-Host: b", b"_Host: c")
    assert world.send(head).status == 200
    assert world.only_request().raw == world.expected_head(b"X-Host: a", b"_Host: c")


@pytest.mark.parametrize(
    "target", [b"127.0.0.1:443", A + b"/api", b"http://127.0.0.1/", b"/", b"*"]
)
def test_connect_method_opens_no_tunnel(world: World, target: bytes) -> None:
    with world.connect() as wire:
        wire.send(world.head(user="root", method=b"CONNECT", target=target))
        assert wire.read_response().status in {400, 404, 405}
        wire.send(world.head(user="root"))
        assert wire.is_closed_silently()
    world.assert_nothing_received()


@pytest.mark.parametrize("method", [b"TRACE", b"PURGE", b"PROPFIND", b"LINK", b"SEARCH"])
def test_method_outside_kubernetes_api_is_rejected(world: World, method: bytes) -> None:
    """TRACE could reveal the cluster's credential if a proxy is in front of its API server."""
    response = world.send(world.head(user="root", method=method))
    assert response.status == 405
    assert response.header_values(b"Allow") == [b"DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"]
    world.assert_nothing_received()


@pytest.mark.parametrize("cluster", ["c-aaaaaaaaaa", "nope", "b"])
def test_missing_cluster_looks_like_forbidden_cluster(world: World, cluster: str) -> None:
    """bob has access to ``a`` only. For bob, ``b`` must look like a cluster that doesn't exist."""
    target = f"/k8s/clusters/{cluster}/api".encode()
    response = world.send(world.head(user="bob", target=target))
    assert response.status == 404
    message = f'no cluster "{cluster}" that you may enter'
    assert response.json()["message"] == message
    world.assert_nothing_received()
