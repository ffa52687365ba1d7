"""Logs contain no secret, wherever a client puts it."""

import base64

import pytest

from tests.security.world import World, wait_until
from tests.support.log_lines import audit_events, events_of
from tests.support.sekisho import PASSWORD

SECRET = "s3cr3t-do-not-log"


def all_logs(world: World) -> str:
    """Return both output streams and the audit log."""
    audit = world.sekisho.folder / "data" / "audit.log"
    assert audit.exists()
    return world.sekisho.log + world.sekisho.output + audit.read_text()


def complete_logs(world: World) -> str:
    """Return all logs once they contain a marker request that is sent now."""
    marker = f"marker-{len(world.sekisho.log)}-x"
    world.send(world.head().replace(b"security-test-0001", marker.encode()))
    wait_until(lambda: all_logs(world).count(marker) >= 2, 10)
    return all_logs(world)


@pytest.mark.parametrize(
    "lines",
    [
        (b"Authorization: Bearer {secret}",),
        (b"Authorization: Bearer token-aaaaaaaaaa:{secret}",),
        (b"Authorization: Basic {base64}",),
        (b"Authorization: {secret}",),
        (b"Authorization: Bearer {secret}", b"Authorization: Bearer {secret}"),
        (b"Authorization: Bearer {secret}\x00",),
        (b"X-Api-Key: {secret}\x01",),
        (b"X-Api-Key {secret}",),
        (b"{secret}: a\x00",),
        (b"{secret}\x01: a",),
        (b"Cookie: __Host-sekisho={secret}",),
        (b"Cookie: __Host-sekisho={secret}\x00",),
        (b"X-CSRF-Token: {secret}",),
        (b"Content-Length: {secret}",),
        (b"Transfer-Encoding: {secret}",),
        (b"Impersonate-Extra-X: {secret}",),
        (b"X-Request-Id: {secret}!",),
        (b"Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.{base64}",),
        (b"Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.{secret}!, x",),
        (b"Host: {secret}", b"Host: {secret}"),
    ],
)
@pytest.mark.parametrize("target", [b"/k8s/clusters/a/api", b"/v1/me"])
def test_header_secrets_are_not_logged(
    world: World, lines: tuple[bytes, ...], target: bytes
) -> None:
    encoded = base64.b64encode(f"x:{SECRET}".encode())
    filled = [
        line.replace(b"{secret}", SECRET.encode()).replace(b"{base64}", encoded) for line in lines
    ]
    head = world.head(*filled, user=None, target=target)
    world.send(head.replace(b"X-Request-Id: security-test-0001\r\n", b""))
    log = complete_logs(world)
    assert SECRET not in log
    assert encoded.decode() not in log


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET /k8s/clusters/a/api?token={secret}&access_token={secret} HTTP/1.1",
        b"GET /k8s/clusters/a/api/v1/namespaces/n/pods/p/exec?command={secret} HTTP/1.1",
        b"GET /k8s/clusters/a//api?{secret} HTTP/1.1",
        b"GET /k8s/clusters/nope/api?{secret} HTTP/1.1",
        b"GET /v1/me?{secret} HTTP/1.1",
        b"GET /v1/login/github/callback?code={secret}&state={secret} HTTP/1.1",
        b"GET http://user:{secret}@gate/k8s/clusters/a/api HTTP/1.1",
        b"GET /?{secret} HTTP/9.x",
        b"{secret} / HTTP/1.1",
        b"{secret}",
    ],
)
def test_query_and_malformed_request_line_are_not_logged(world: World, request_line: bytes) -> None:
    first = world.head().partition(b"\r\n")[0]
    head = world.head().replace(first, request_line.replace(b"{secret}", SECRET.encode()))
    world.send(head)
    assert SECRET not in complete_logs(world)


def test_body_is_not_logged(world: World) -> None:
    body = f'{{"kind": "Secret", "stringData": {{"password": "{SECRET}"}}}}'.encode()
    lines = (b"Content-Type: application/json", b"Content-Length: %d" % len(body))
    world.send(world.head(*lines, method=b"POST") + body)
    broken = (b"Transfer-Encoding: chunked",)
    world.send(world.head(*broken, method=b"POST") + b"5\r\n" + SECRET.encode() + b"\r\n")
    world.a.responses[b"/api"] = b"HTTP/1.1 200 OK\r\nX: \x00" + SECRET.encode() + b"\r\n\r\n"
    assert world.send(world.head()).status == 502
    assert SECRET not in complete_logs(world)


def test_sign_in_logs_no_password_token_or_cookie(world: World) -> None:
    for name, password in (("alice", PASSWORD), ("alice", SECRET), (SECRET, "x")):
        world.sekisho.request(
            "POST", "/v1/login/local", body={"username": name, "password": password}
        )
    cookie, csrf = world.sign_in("alice")
    token = world.create_token("alice", description="for the logs")
    world.sekisho.request("GET", "/k8s/clusters/a/api", token=token)
    world.send(world.head(cookie, user=None))
    world.sekisho.request("GET", "/v1/clusters/a/kubeconfig", token=token)
    log = complete_logs(world)
    for secret in (
        *(PASSWORD, SECRET, token.partition(":")[2], csrf.decode()),
        cookie.partition(b"=")[2].decode(),
        *(one.partition(":")[2] for one in world.tokens.values()),
        *(world.a.token, world.b.token),
    ):
        assert secret not in log


def test_line_break_in_logged_value_starts_no_new_line(world: World) -> None:
    world.sekisho.request("GET", "/k8s/clusters/no%22%7D%0a%7B%22forged%22/api")
    world.sekisho.request("GET", "/k8s/clusters/nope/api", headers={"User-Agent": '"}{"forged": "'})
    complete_logs(world)
    for event in [*audit_events(world.sekisho), *events_of(world.sekisho.log)]:
        assert "forged" not in event
