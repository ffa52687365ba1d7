"""One way to a cluster: what a target names is what its API server is asked, byte for byte."""

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
def test_a_target_that_can_be_read_in_two_ways_is_refused(
    world: World, target: bytes, method: bytes
) -> None:
    reply = world.ask(world.head(user="root", method=method, target=target))
    assert reply.status == 400
    world.nothing_arrived()


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
def test_there_is_no_other_way_to_a_cluster(world: World, target: bytes) -> None:
    assert world.ask(world.head(user="root", target=target)).status in {400, 404}
    world.nothing_arrived()


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
def test_a_target_arrives_byte_for_byte(world: World, rest: bytes) -> None:
    assert world.ask(world.head(target=A + rest)).status == 200
    assert world.only().bytes == world.expected(target=rest)


def test_a_cluster_alone_is_its_root(world: World) -> None:
    for target, arrived in ((A, b"/"), (A + b"?x=1", b"/?x=1")):
        world.a.clear()
        assert world.ask(world.head(target=target)).status == 200
        assert world.only().bytes == world.expected(target=arrived)


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
def test_host_names_nothing_and_does_not_arrive(world: World, hosts: tuple[bytes, ...]) -> None:
    head = world.head().replace(b"Host: gate", b"Host: " + hosts[0])
    reply = world.ask(head)
    if reply.status == 200:
        assert world.only().bytes == world.expected()
    else:
        assert reply.status == 400
        world.nothing_arrived()


@pytest.mark.parametrize(
    "lines", [(b"Host: other",), (b"host: gate",), (b"Host: gate\r\n other",), (b"Host : other",)]
)
def test_two_hosts_are_refused(world: World, lines: tuple[bytes, ...]) -> None:
    assert world.ask(world.head(*lines)).status == 400
    world.nothing_arrived()


def test_a_host_that_is_not_spelt_host_does_not_arrive(world: World) -> None:
    head = world.head(b"X-Host: a", b"X-Forwarded-Host: b", b"_Host: c")
    assert world.ask(head).status == 200
    assert world.only().bytes == world.expected(b"X-Host: a", b"_Host: c")


@pytest.mark.parametrize(
    "target", [b"127.0.0.1:443", A + b"/api", b"http://127.0.0.1/", b"/", b"*"]
)
def test_connect_makes_no_tunnel(world: World, target: bytes) -> None:
    with world.wire() as wire:
        wire.send(world.head(user="root", method=b"CONNECT", target=target))
        assert wire.reply().status in {400, 404, 405}
        wire.send(world.head(user="root"))
        assert wire.closed()
    world.nothing_arrived()


@pytest.mark.parametrize("method", [b"TRACE", b"PURGE", b"PROPFIND", b"LINK", b"SEARCH"])
def test_only_methods_of_the_kubernetes_api_arrive(world: World, method: bytes) -> None:
    """TRACE might show the cluster's credential, were there a proxy in front of its API server."""
    reply = world.ask(world.head(user="root", method=method))
    assert reply.status == 405
    assert reply.lines(b"Allow") == [b"DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"]
    world.nothing_arrived()


@pytest.mark.parametrize("cluster", ["c-aaaaaaaaaa", "nope", "b"])
def test_a_cluster_that_is_not_there_looks_like_one_that_is_not_for_the_caller(
    world: World, cluster: str
) -> None:
    """bob may enter ``a`` only: ``b`` must not be told from what doesn't exist."""
    target = f"/k8s/clusters/{cluster}/api".encode()
    reply = world.ask(world.head(user="bob", target=target))
    assert reply.status == 404
    message = f'cluster "{cluster}" not found, or you have no access to it'
    assert reply.json()["message"] == message
    world.nothing_arrived()
