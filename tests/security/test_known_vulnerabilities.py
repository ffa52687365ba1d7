"""Published vulnerabilities of comparable software, each tested against Sekisho.

Each docstring describes the failure and the reason why Sekisho is not affected. Other files in this
folder cover the same areas case by case."""

import json
import re

import pytest

from tests.security.world import World, wait_until
from tests.support.recording_upstream import json_response

EXEC = b"/k8s/clusters/a/api/v1/namespaces/n/pods/p/exec?command=sh"


WEBSOCKET = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13")


@pytest.mark.parametrize("status", [b"200 OK", b"403 Forbidden", b"500 Internal Server Error"])
def test_cve_2018_1002105_failed_upgrade_leaves_no_authenticated_tunnel(
    world: World, status: bytes
) -> None:
    """Kubernetes: after a failed upgrade the API server kept its authenticated connection to the
    kubelet open to the client, whose next bytes were requests with the API server's rights.

    Here only a valid 101 joins the two connections. After any other response both are closed.
    """
    world.a.responses[b"/api/v1"] = b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n"
    with world.connect() as wire:
        wire.send(world.head(*WEBSOCKET, target=EXEC))
        assert wire.read_response().status == int(status[:3])
        wire.send(b"GET /api/v1/secrets HTTP/1.1\r\nHost: x\r\nImpersonate-User: root\r\n\r\n")
        assert wire.is_closed_silently()
    recorded = world.only_request()
    assert bytes(world.a.received_bytes[recorded.connection]) == world.expected_head(
        b"Sec-WebSocket-Version: 13",
        target=EXEC.removeprefix(b"/k8s/clusters/a"),
        framing=(b"Connection: Upgrade", b"Upgrade: websocket"),
    )


def other_cluster_url(world: World) -> str:
    """Return a URL of the other cluster with another host name than the requested cluster's."""
    return world.b.url.replace("127.0.0.1", "localhost")


def _assert_redirect_not_followed(world: World, *lines: bytes, location: str) -> None:
    world.a.responses[b"/api"] = (
        b"HTTP/1.1 302 Found\r\nLocation: " + location.encode() + b"\r\nContent-Length: 0\r\n\r\n"
    )
    response = world.send(world.head(*lines))
    assert response.status == 302
    assert response.header_values(b"Location") == [location.encode()]
    assert world.b.recorded == []
    assert world.only_request().head.startswith(b"GET /api HTTP/1.1\r\n")


def test_cve_2020_8559_upgrade_redirect_is_not_followed(world: World) -> None:
    """Kubernetes: a compromised kubelet responded to an upgrade with a redirect, and the API server
    followed it to another node with the client's credentials.

    Here a redirect is passed on to the client like any other response, and never followed.
    """
    _assert_redirect_not_followed(world, *WEBSOCKET, location=f"{other_cluster_url(world)}/api")


def test_cve_2018_1002102_response_redirect_is_not_followed(world: World) -> None:
    """Kubernetes: the API server followed redirects of kubelets and proxied services to any
    address.

    Here nothing follows a redirect: the forward path has no code for it.
    """
    _assert_redirect_not_followed(world, location=f"{other_cluster_url(world)}/api")


def test_access_review_redirect_is_not_followed(world: World) -> None:
    """The access review is the one request that the proxy sends itself. No result means denial."""
    path = b"/apis/authorization.k8s.io/v1/subjectaccessreviews"
    world.a.responses[path] = json_response(307, {}, b"Location: " + world.b.url.encode() + path)
    assert world.send(world.head(b"Impersonate-User: mia")).status == 503
    assert world.a.requests() == []
    assert world.b.recorded == []


@pytest.mark.parametrize(
    "named", [b"Impersonate-User", b"Impersonate-User, Impersonate-Group, impersonate-uid"]
)
def test_cve_2021_31999_connection_header_removes_no_impersonation_header(
    world: World, named: bytes
) -> None:
    """Rancher: ``Connection: Impersonate-User`` made Go's reverse proxy drop the header that it had
    just set, so the request arrived with the rights of Rancher's own account.

    Here ``Connection`` is processed before the proxy sets its headers, which come last.
    """
    assert world.send(world.head(b"Connection: " + named, b"Accept: a")).status == 200
    assert world.only_request().raw == world.expected_head(b"Accept: a")


def test_cve_2022_23652_connection_header_removes_no_header_that_proxy_sets(world: World) -> None:
    """capsule-proxy: like CVE-2021-31999, with other spellings and other headers."""
    lines = (
        b"cONNECTION: keep-alive, IMPERSONATE-USER",
        b"Connection: Authorization, X-Forwarded-For, Host",
        b"Connection: impersonate-extra-requestid",
    )
    assert world.send(world.head(*lines, b"Accept: a")).status == 200
    assert world.only_request().raw == world.expected_head(b"Accept: a")


def test_cve_2021_36776_every_route_to_cluster_rejects_impersonation_headers(world: World) -> None:
    """Rancher: a second route to the cluster forgot to strip ``Impersonate-*``.

    Here there is one route. Every request below it that has such a header is rejected, with any
    method, body or upgrade. No other route leads to a cluster.
    """
    forged = b"Impersonate-Group: system:masters"
    for method in (b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"HEAD", b"OPTIONS"):
        with world.connect() as wire:
            wire.send(world.head(forged, method=method))
            assert wire.read_status() == 400
    for name in (b"a", world.clusters["a"].encode()):
        for rest in (b"", b"/", b"/api/v1/namespaces/n/services/s/proxy/x", b"/version"):
            target = b"/k8s/clusters/" + name + rest
            assert world.send(world.head(forged, target=target)).status == 400
            assert world.send(world.head(forged, *WEBSOCKET, target=target)).status == 400
    for target in (b"/k8s/proxy/a/api", b"/k8s/cluster/a/api", b"/meta/proxy/a", b"/v3/clusters/a"):
        assert world.send(world.head(forged, target=target)).status in {400, 404}
    world.assert_nothing_received()


def test_cve_2026_44945_impersonation_check_uses_target_cluster(
    world: World,
) -> None:
    """A proxy asked its own cluster whether a caller may impersonate, and acted in another.

    Here the access review goes to the cluster of the request and names the caller as that cluster
    knows it. A permission in ``a`` has no effect in ``b``, nor for another user in ``a``.
    """
    alice = world.users["alice"]
    world.a.allowed = {(alice, "users", "ina")}
    head = world.head(b"Impersonate-User: ina")
    assert world.send(head).status == 200
    assert world.send(head.replace(b"/clusters/a/", b"/clusters/b/")).status == 403
    assert len(world.a.reviews()) == len(world.b.reviews()) == 1
    assert json.loads(world.b.reviews()[0].body)["spec"]["user"] == alice
    assert world.b.requests() == []
    head_of_bob = world.head(b"Impersonate-User: ina", user="bob")
    assert world.send(head_of_bob).status == 403
    assert json.loads(world.a.reviews()[1].body)["spec"]["user"] == world.users["bob"]
    assert len(world.a.requests()) == 1


@pytest.mark.parametrize(
    "response",
    [
        json_response(201, {"status": {"allowed": False}}),
        json_response(201, {"status": {}}),
        json_response(201, {}),
        json_response(201, {"status": {"allowed": "true"}}),
        json_response(201, {"status": {"allowed": 1}}),
        json_response(201, {"status": {"allowed": True, "denied": True}}),
        json_response(201, {"status": {"error": "x"}}),
        json_response(200, {"status": {"allowed": True}}),
        json_response(403, {"status": {"allowed": True}}),
        json_response(500, {"status": {"allowed": True}}),
        json_response(201, ["allowed"]),
        b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_cve_2023_48312_access_review_must_allow_explicitly(world: World, response: bytes) -> None:
    """capsule-proxy: a TokenReview counted as success without a check of ``authenticated``.

    Here only ``allowed: true`` in the response to a created review grants access.
    """
    world.a.responses[b"/apis/authorization.k8s.io"] = response
    assert world.send(world.head(b"Impersonate-User: kim")).status in {403, 503}
    assert world.a.requests() == []


@pytest.mark.parametrize(
    "line",
    [
        b"Authorization: Bearer ",
        b"Authorization: Bearer",
        b"Authorization:",
        b"Authorization: Bearer :",
        b"Authorization: Basic Og==",
        b"Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io., v5.channel.k8s.io",
    ],
)
def test_cve_2023_48312_empty_token_is_rejected(world: World, line: bytes) -> None:
    """capsule-proxy: a request with an empty token went through with the proxy's own rights."""
    assert world.send(world.head(line, user=None)).status in {400, 401}
    world.assert_nothing_received()


def test_cve_2026_61682_inbound_x_remote_headers_are_dropped(world: World) -> None:
    """A proxy forwarded ``X-Remote-User`` and ``-Group`` to an API server that trusts them from its
    front proxy.

    Here all ``X-Remote-*`` headers are dropped, in any spelling, with and without a credential.
    """
    lines = (
        *(b"X-Remote-User: root", b"X-Remote-Group: system:masters", b"X-Remote-Uid: 0"),
        *(b"X-Remote-Extra-Scopes: all", b"x_remote_user: root", b"X-REMOTE_USER: root"),
    )
    assert world.send(world.head(*lines, user=None)).status == 401
    world.assert_nothing_received()
    assert world.send(world.head(*lines)).status == 200
    assert world.only_request().raw == world.expected_head()


@pytest.mark.parametrize(
    "lines",
    [
        (b"Origin: https://evil.example",),
        (b"Origin: null",),
        (),
        (b"Origin: {own}", b"Origin: https://evil.example"),
        (b"Origin: {own}.evil.example",),
        (b"Origin: {own}", b"Sec-Fetch-Site: cross-site"),
        (b"Origin: {own}", b"Sec-Fetch-Site: same-site"),
    ],
)
def test_cve_2019_13209_cross_site_page_cannot_open_websocket(
    world: World, lines: tuple[bytes, ...]
) -> None:
    """Rancher: browsers send cookies with a WebSocket from any page, and the server did not check
    its ``Origin``.

    Here a WebSocket that a cookie authorizes must name the proxy's own origin.
    """
    cookie, csrf = world.sign_in("alice")
    filled = [line.replace(b"{own}", world.sekisho.url.encode()) for line in lines]
    head = world.head(*WEBSOCKET, cookie, b"X-CSRF-Token: " + csrf, *filled, user=None, target=EXEC)
    assert world.send(head).status in {400, 403}
    world.assert_nothing_received()


def test_ghsa_xfj7_qf8w_2gcr_audit_log_contains_no_secret(world: World) -> None:
    """Rancher: the audit log contained passwords, tokens and cookies of the requests it recorded.

    Here an event has no header and no body, and query values only of parameters of the Kubernetes
    API. See ``test_logs.py``, which searches every log.
    """
    secret = "s3cr3t-of-this-test"
    body = json.dumps({"stringData": {"password": secret}}).encode()
    token = world.create_token("alice")
    lines = (b"Cookie: a=" + secret.encode(), b"Content-Length: %d" % len(body))
    target = f"/k8s/clusters/a/api/v1/namespaces/n/secrets?token={secret}&limit=7".encode()
    world.tokens["audited"] = token
    world.send(world.head(*lines, user="audited", method=b"POST", target=target) + body)
    audit = world.sekisho.folder / "data" / "audit.log"
    wait_until(lambda: "limit=7" in audit.read_text(), 10)
    logged = audit.read_text()
    assert token.partition(":")[0] in logged, "the event names the token"
    for unwanted in (secret, token.partition(":")[2], world.a.token):
        assert unwanted not in logged


def test_kube_oidc_proxy_uid_is_set_with_user_name(world: World) -> None:
    """kube-oidc-proxy: ``Impersonate-Uid`` was neither set nor removed, so callers could choose it.

    Here the proxy always sets it. A caller's own value needs the cluster's permission, as any
    other impersonation does.
    """
    assert world.send(world.head()).status == 200
    uids = re.findall(rb"(?i)\r\nimpersonate-uid: (\S+)\r\n", world.only_request().head)
    assert uids == [world.users["alice"].encode()]
    world.a.reset()
    world.a.allowed = {(world.users["alice"], "users", "lea")}
    lines = (b"Impersonate-User: lea", b"Impersonate-Uid: 0")
    assert world.send(world.head(*lines)).status == 403
    assert world.a.requests() == []
    assert world.send(world.head(b"Impersonate-Uid: 0")).status == 400


def test_token_for_one_cluster_is_rejected_elsewhere(world: World) -> None:
    """A kubeconfig's token for one cluster was accepted for other clusters and the management API.

    Here a token's clusters are checked for every request, and such a token is rejected below
    ``/v1``.
    """
    world.tokens["scoped"] = world.create_token("root", clusters=["a"])
    for target in (
        b"/k8s/clusters/b/api",
        b"/v1/tokens",
        b"/v1/clusters",
        b"/v1/clusters/b/members",
    ):
        assert world.send(world.head(user="scoped", target=target)).status == 403
    world.assert_nothing_received()
    world.a.reset()
    assert world.send(world.head(user="scoped")).status == 200
    assert world.only_request().raw == world.expected_head(user="root")
