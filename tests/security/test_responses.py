"""What a cluster, or a pod behind it, may tell a client: nothing that acts on the gate's origin."""

import pytest

from tests.security.world import World

PAGE = b"/k8s/clusters/a/api/v1/namespaces/n/services/s/proxy/"


def saying(world: World, *lines: bytes, status: bytes = b"200 OK") -> None:
    world.a.answers[b"/api"] = b"\r\n".join(
        [b"HTTP/1.1 " + status, *lines, b"Content-Length: 2", b"", b"ok"]
    )


def test_cookies_and_hop_by_hop_lines_do_not_reach_the_client(world: World) -> None:
    saying(
        world,
        *(b"Set-Cookie: __Host-sekisho=theirs; Path=/; Secure", b"set-cookie2: a=b"),
        *(b"Keep-Alive: timeout=5", b"Proxy-Authenticate: Basic", b"Upgrade: h2c", b"TE: x"),
        *(b"X-Request-Id: theirs", b"X-Fine: yes"),
    )
    reply = world.ask(world.head())
    names = [line.partition(b":")[0] for line in reply.head.split(b"\r\n")[1:] if line]
    assert names == [b"X-Fine", b"Content-Length", b"X-Request-Id"]
    assert reply.lines(b"X-Request-Id") == [b"security-test-0001"]


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"307 Again", b"308 Moved"])
@pytest.mark.parametrize(
    ("location", "told"),
    [
        (b"/v1/me", b"{prefix}/v1/me"),
        (b"/k8s/clusters/b/api", b"{prefix}/k8s/clusters/b/api"),
        (b"//evil.example/x", b"//evil.example/x"),
        (b"https://evil.example/x", b"https://evil.example/x"),
    ],
)
def test_a_redirect_is_told_and_never_followed(
    world: World, status: bytes, location: bytes, told: bytes
) -> None:
    saying(world, b"Location: " + location, status=status)
    reply = world.ask(world.head())
    assert reply.status == int(status[:3])
    prefix = f"/k8s/clusters/{world.clusters['a']}".encode()
    assert reply.lines(b"Location") == [told.replace(b"{prefix}", prefix)]
    assert world.only().bytes == world.expected()


def test_a_page_of_somebodys_pod_has_no_share_in_the_gates_origin(world: World) -> None:
    cookie, _ = world.sign_in("alice")
    saying(world, b"Content-Security-Policy: default-src *", b"Content-Type: text/html")
    reply = world.ask(world.head(cookie, user=None, target=PAGE))
    policies = reply.lines(b"Content-Security-Policy")
    assert b"sandbox allow-scripts allow-forms allow-popups" in policies
    assert reply.lines(b"X-Content-Type-Options") == [b"nosniff"]


def test_a_401_of_the_cluster_is_not_the_callers(world: World) -> None:
    """It is about the gate's own credential: a client would throw away one that is good."""
    saying(world, b"WWW-Authenticate: Basic realm=give-me-a-password", status=b"401 No")
    reply = world.ask(world.head())
    assert reply.status == 502
    assert reply.lines(b"WWW-Authenticate") == []


def test_the_gates_credential_is_in_no_answer(world: World) -> None:
    for status in (b"200 OK", b"401 No", b"403 No", b"500 Oops"):
        saying(world, status=status)
        reply = world.ask(world.head())
        assert world.a.token.encode() not in reply.head + reply.body


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\x00\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
def test_an_answer_that_can_be_read_in_two_ways_is_not_passed_on(
    world: World, answer: bytes
) -> None:
    world.a.answers[b"/api"] = answer
    assert world.ask(world.head()).status == 502


def test_an_answer_nobody_asked_for_is_nobodys(world: World) -> None:
    """A second answer behind the first must not become that of another caller's request."""
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    world.a.answers[b"/first"] = ok + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
    world.a.answers[b"/second"] = ok
    assert world.ask(world.head(target=b"/k8s/clusters/a/first")).body == b"ok"
    reply = world.ask(world.head(user="bob", target=b"/k8s/clusters/a/second"))
    assert reply.body == b"ok"
