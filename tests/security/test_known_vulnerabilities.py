"""Public failures of comparable software, each shown not to happen here.

Each docstring says what went wrong there, and why it doesn't here. The other files of this folder
go through the same ground case by case.
"""

import json
import re

import pytest

from tests.parts.recording_upstream import json_answer
from tests.security.world import World, until

EXEC = b"/k8s/clusters/a/api/v1/namespaces/n/pods/p/exec?command=sh"
WEBSOCKET = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13")


@pytest.mark.parametrize("status", [b"200 OK", b"403 Forbidden", b"500 Internal Server Error"])
def test_cve_2018_1002105_a_failed_upgrade_leaves_no_authenticated_tunnel(
    world: World, status: bytes
) -> None:
    """Kubernetes: after a failed upgrade the API server kept its authenticated connection to the
    kubelet open to the client, whose next bytes were requests with the API server's rights.

    Here only a real 101 joins the two connections; after any other answer both are closed.
    """
    world.a.answers[b"/api/v1"] = b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n"
    with world.wire() as wire:
        wire.send(world.head(*WEBSOCKET, target=EXEC))
        assert wire.reply().status == int(status[:3])
        wire.send(b"GET /api/v1/secrets HTTP/1.1\r\nHost: x\r\nImpersonate-User: root\r\n\r\n")
        assert wire.closed()
    seen = world.only()
    assert bytes(world.a.raw[seen.connection]) == world.expected(
        b"Sec-WebSocket-Version: 13",
        target=EXEC.removeprefix(b"/k8s/clusters/a"),
        framing=(b"Connection: Upgrade", b"Upgrade: websocket"),
    )


def _redirected(world: World, *lines: bytes, location: str) -> None:
    world.a.answers[b"/api"] = (
        b"HTTP/1.1 302 Found\r\nLocation: " + location.encode() + b"\r\nContent-Length: 0\r\n\r\n"
    )
    reply = world.ask(world.head(*lines))
    assert reply.status == 302
    assert reply.lines(b"Location") == [location.encode()]
    assert world.b.seen == []
    assert world.only().head.startswith(b"GET /api HTTP/1.1\r\n")


def test_cve_2020_8559_the_redirect_of_an_upgrade_is_not_followed(world: World) -> None:
    """Kubernetes: a compromised kubelet answered an upgrade with a redirect, and the API server
    followed it to another node with the client's credentials.

    Here a redirect is an answer like any other: it is told to the client, and never followed.
    """
    _redirected(world, *WEBSOCKET, location=f"{world.b.url}/api")


def test_cve_2018_1002102_the_redirect_of_an_answer_is_not_followed(world: World) -> None:
    """Kubernetes: the API server followed redirects of kubelets and proxied services wherever they
    led.

    Here nothing follows a redirect: the forward path has no code for it.
    """
    _redirected(world, location=f"{world.b.url}/api")


def test_the_redirect_of_an_access_review_is_not_followed(world: World) -> None:
    """The same for the one request that the gate makes by itself: no answer means no."""
    path = b"/apis/authorization.k8s.io/v1/subjectaccessreviews"
    world.a.answers[path] = json_answer(307, {}, b"Location: " + world.b.url.encode() + path)
    assert world.ask(world.head(b"Impersonate-User: mia")).status == 503
    assert world.a.asked() == []
    assert world.b.seen == []


@pytest.mark.parametrize(
    "named", [b"Impersonate-User", b"Impersonate-User, Impersonate-Group, impersonate-uid"]
)
def test_cve_2021_31999_connection_takes_no_impersonation_header_away(
    world: World, named: bytes
) -> None:
    """Rancher: ``Connection: Impersonate-User`` made Go's reverse proxy drop the header that it had
    just set, so the request arrived with the rights of Rancher's own account.

    Here ``Connection`` is consumed before anything is stamped, and what is stamped comes last.
    """
    assert world.ask(world.head(b"Connection: " + named, b"Accept: a")).status == 200
    assert world.only().bytes == world.expected(b"Accept: a")


def test_cve_2022_23652_connection_takes_no_header_of_ours_away(world: World) -> None:
    """capsule-proxy: the same, with ``Connection`` in other spellings and on other headers."""
    lines = (
        b"cONNECTION: keep-alive, IMPERSONATE-USER",
        b"Connection: Authorization, X-Forwarded-For, Host",
        b"Connection: impersonate-extra-requestid",
    )
    assert world.ask(world.head(*lines, b"Accept: a")).status == 200
    assert world.only().bytes == world.expected(b"Accept: a")


def test_cve_2021_36776_every_way_to_a_cluster_strips_and_stamps(world: World) -> None:
    """Rancher: a second route to the cluster forgot to strip ``Impersonate-*``.

    Here there is one route. Whatever is asked below it, by any method, body or upgrade, is refused
    with such a header; everywhere else there is no way to a cluster.
    """
    forged = b"Impersonate-Group: system:masters"
    for method in (b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"HEAD", b"OPTIONS"):
        with world.wire() as wire:
            wire.send(world.head(forged, method=method))
            assert wire.status() == 400
    for name in (b"a", world.clusters["a"].encode()):
        for rest in (b"", b"/", b"/api/v1/namespaces/n/services/s/proxy/x", b"/version"):
            target = b"/k8s/clusters/" + name + rest
            assert world.ask(world.head(forged, target=target)).status == 400
            assert world.ask(world.head(forged, *WEBSOCKET, target=target)).status == 400
    for target in (b"/k8s/proxy/a/api", b"/k8s/cluster/a/api", b"/meta/proxy/a", b"/v3/clusters/a"):
        assert world.ask(world.head(forged, target=target)).status in {400, 404}
    world.nothing_arrived()


def test_cve_2026_44945_the_impersonation_check_asks_the_cluster_that_is_acted_on(
    world: World,
) -> None:
    """A gate asked its own cluster whether a caller may impersonate, and acted in another.

    Here the question goes to the cluster of the request, about the caller as that cluster knows
    them; what ``a`` allows counts for nothing in ``b``, nor for anybody else in ``a``.
    """
    alice = world.users["alice"]
    world.a.allowed = {(alice, "users", "ina")}
    head = world.head(b"Impersonate-User: ina")
    assert world.ask(head).status == 200
    assert world.ask(head.replace(b"/clusters/a/", b"/clusters/b/")).status == 403
    assert len(world.a.reviews()) == len(world.b.reviews()) == 1
    assert json.loads(world.b.reviews()[0].body)["spec"]["user"] == alice
    assert world.b.asked() == []
    bobs = world.head(b"Impersonate-User: ina", user="bob")
    assert world.ask(bobs).status == 403
    assert json.loads(world.a.reviews()[1].body)["spec"]["user"] == world.users["bob"]
    assert len(world.a.asked()) == 1


@pytest.mark.parametrize(
    "answer",
    [
        json_answer(201, {"status": {"allowed": False}}),
        json_answer(201, {"status": {}}),
        json_answer(201, {}),
        json_answer(201, {"status": {"allowed": "true"}}),
        json_answer(201, {"status": {"allowed": 1}}),
        json_answer(201, {"status": {"allowed": True, "denied": True}}),
        json_answer(201, {"status": {"error": "x"}}),
        json_answer(200, {"status": {"allowed": True}}),
        json_answer(403, {"status": {"allowed": True}}),
        json_answer(500, {"status": {"allowed": True}}),
        json_answer(201, ["allowed"]),
        b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_cve_2023_48312_a_review_counts_only_where_it_says_yes(world: World, answer: bytes) -> None:
    """capsule-proxy: a TokenReview was taken for a yes without a look at ``authenticated``.

    Here a yes is ``allowed: true`` in the answer to a created review, and nothing else is.
    """
    world.a.answers[b"/apis/authorization.k8s.io"] = answer
    assert world.ask(world.head(b"Impersonate-User: kim")).status in {403, 503}
    assert world.a.asked() == []


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
def test_cve_2023_48312_an_empty_token_is_nobodys(world: World, line: bytes) -> None:
    """capsule-proxy: a request with an empty token went through with the proxy's own rights."""
    assert world.ask(world.head(line, user=None)).status in {400, 401}
    world.nothing_arrived()


def test_cve_2026_61682_inbound_x_remote_headers_name_nobody(world: World) -> None:
    """A gate passed ``X-Remote-User`` and ``-Group`` on to an API server that believes them from
    its front proxy.

    Here the whole family is dropped, however it is spelt, with a credential and without.
    """
    lines = (
        *(b"X-Remote-User: root", b"X-Remote-Group: system:masters", b"X-Remote-Uid: 0"),
        *(b"X-Remote-Extra-Scopes: all", b"x_remote_user: root", b"X-REMOTE_USER: root"),
    )
    assert world.ask(world.head(*lines, user=None)).status == 401
    world.nothing_arrived()
    assert world.ask(world.head(*lines)).status == 200
    assert world.only().bytes == world.expected()


UNDERSCORED = [
    *(b"X_Forwarded_User: root", b"X-Forwarded_Email: root@x", b"x_forwarded_access_token: t"),
    *(b"X_Remote_User: root", b"X_Auth_Request_User: root", b"Content_Length: 5"),
    *(b"Transfer_Encoding: chunked", b"X_Forwarded_For: 6.6.6.6", b"X_Real_IP: 6.6.6.6"),
    b"X_Request_Id: forged-by-client",
]


def test_cve_2025_64484_underscores_smuggle_no_header_past_the_filter(world: World) -> None:
    """oauth2-proxy: ``X_Forwarded_User`` wasn't stripped, and WSGI and CGI servers behind it took
    it for the ``X-Forwarded-User`` that they trust.

    Here names are compared with ``_`` taken for ``-``.
    """
    lines = [line for line in UNDERSCORED if not line.startswith(b"X_Auth")]
    assert world.ask(world.head(*lines, b"X_Custom: fine")).status == 200
    assert world.only().bytes == world.expected(b"X_Custom: fine")


def test_cve_2015_0219_an_underscored_impersonation_header_is_refused(world: World) -> None:
    """Django: WSGI maps ``X-Auth_User`` and ``X-Auth-User`` to one name, so stripping one of them
    left the other.

    Here a name of the impersonation family in any spelling is refused, not merely dropped.
    """
    for name in (b"Impersonate_User", b"Impersonate_Group", b"impersonate-extra_username"):
        assert world.ask(world.head(name + b": root")).status == 400
    world.nothing_arrived()


@pytest.mark.parametrize(
    "line",
    [
        *(b"X-Forwarded-Uri: /healthz", b"X-Forwarded-Uri: /v1/providers"),
        *(b"X-Original-Url: /healthz", b"X-Original-Uri: /healthz", b"X-Rewrite-Url: /healthz"),
        *(b"X-Forwarded-Path: /", b"X-Forwarded-Prefix: /k8s", b"X-Forwarded-Method: OPTIONS"),
    ],
)
def test_cve_2026_40575_a_header_about_the_path_skips_no_authentication(
    world: World, line: bytes
) -> None:
    """``X-Forwarded-Uri`` was believed, so a path that needs no sign-in could be
    claimed for any request.

    Here the request line alone says what is asked for.
    """
    assert world.ask(world.head(line, user=None)).status == 401
    assert world.ask(world.head(line, user=None, target=b"/v1/me")).status == 401
    world.nothing_arrived()
    assert world.ask(world.head(line)).status == 200
    assert world.only().bytes == world.expected()


@pytest.mark.parametrize(
    ("target", "line"),
    [
        (b"/api?_method=DELETE", b"Accept: a"),
        (b"/api?_method=POST&X-HTTP-Method-Override=PUT", b"Accept: a"),
        (b"/api", b"X-HTTP-Method-Override: DELETE"),
        (b"/api", b"X-Http-Method: DELETE"),
        (b"/api", b"X-Method-Override: DELETE"),
        (b"/api", b"X_HTTP_Method_Override: DELETE"),
    ],
)
def test_cve_2026_88804_a_method_is_not_overridden(
    world: World, target: bytes, line: bytes
) -> None:
    """A gate decided by the method of the request line, and a ``_method`` parameter or an override
    header made it another one behind the decision.

    Here the gate knows one method, and no header that could change it goes on.
    """
    world.tokens["reader"] = world.new_token("alice", read_only=True)
    reply = world.ask(world.head(line, user="reader", target=b"/k8s/clusters/a" + target))
    assert reply.status == 200
    passed = (line,) if line.startswith(b"Accept") else ()
    assert world.only().bytes == world.expected(*passed, target=target)


def test_cve_2026_88804_nor_is_it_for_the_api(world: World) -> None:
    name = world.new_token("alice").partition(":")[0].encode()
    for target, line in (
        (b"/v1/tokens/" + name + b"?_method=DELETE", b"Accept: a"),
        (b"/v1/tokens/" + name, b"X-HTTP-Method-Override: DELETE"),
    ):
        assert world.ask(world.head(line, method=b"GET", target=target)).status == 405
    tokens = world.ask(world.head(target=b"/v1/tokens")).json()["items"]
    assert name.decode() in [one["name"] for one in tokens]


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
def test_cve_2019_13209_another_sites_page_opens_no_websocket(
    world: World, lines: tuple[bytes, ...]
) -> None:
    """Rancher: browsers send cookies with a WebSocket from any page, and nobody looked at its
    ``Origin``.

    Here a WebSocket that a cookie authorises must come from the gate's own origin, and say so.
    """
    cookie, csrf = world.sign_in("alice")
    filled = [line.replace(b"{own}", world.sekisho.url.encode()) for line in lines]
    head = world.head(*WEBSOCKET, cookie, b"X-CSRF-Token: " + csrf, *filled, user=None, target=EXEC)
    assert world.ask(head).status in {400, 403}
    world.nothing_arrived()


def test_ghsa_xfj7_qf8w_2gcr_the_audit_log_holds_no_secret(world: World) -> None:
    """Rancher: the audit log kept passwords, tokens and cookies of the requests it told of.

    Here an event has no header and no body, and a query's values only where they are Kubernetes'
    own. See ``test_logs.py``, which looks through every log.
    """
    secret = "s3cr3t-of-this-test"
    body = json.dumps({"stringData": {"password": secret}}).encode()
    token = world.new_token("alice")
    lines = (b"Cookie: a=" + secret.encode(), b"Content-Length: %d" % len(body))
    target = f"/k8s/clusters/a/api/v1/namespaces/n/secrets?token={secret}&limit=7".encode()
    world.tokens["audited"] = token
    world.ask(world.head(*lines, user="audited", method=b"POST", target=target) + body)
    audit = world.sekisho.folder / "data" / "audit.log"
    until(lambda: "limit=7" in audit.read_text(), 10)
    written = audit.read_text()
    assert token.partition(":")[0] in written, "which token it was is told"
    for unwanted in (secret, token.partition(":")[2], world.a.token):
        assert unwanted not in written


HIDDEN = b"GET /k8s/clusters/a/hidden HTTP/1.1\r\nHost: gate\r\n\r\n"


def _refused(world: World, request: bytes) -> None:
    with world.wire() as wire:
        wire.send(request + HIDDEN)
        assert wire.reply().status == 400
        assert wire.closed()
    world.nothing_arrived()


@pytest.mark.parametrize(
    "line", [b"Content-Length: +1", b"Content-Length: 1_0", b"Content-Length: -0", b"X\x00: a"]
)
def test_ghsa_45c4_8wx5_qw6w_lengths_and_names_are_read_strictly(world: World, line: bytes) -> None:
    """aiohttp: ``Content-Length: +1`` and the like were read as numbers, and control characters
    taken for parts of names, where other servers see something else (CVE-2023-37276).

    Here llhttp reads, strictly, and what is sent on is written anew.
    """
    _refused(world, world.head(line, method=b"POST") + b"a")


@pytest.mark.parametrize(
    "line",
    [
        *(b"Content-Length : 1", b"X\x0b: a", b"X y: a", b"X\t: a", b"(X): a", b"X: a\rb: c"),
        *(b"X: a\nb: c", b"X: a\x00b"),
    ],
)
def test_ghsa_gfw2_4jvh_wgfg_a_header_line_is_one_or_none(world: World, line: bytes) -> None:
    """aiohttp: its Python parser took lines for headers that others don't, and split values at line
    ends that others don't see (CVE-2023-47627).

    Here such a line refuses the request, and the connection ends.
    """
    _refused(world, world.head(line, method=b"POST") + b"a")


@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
def test_cve_2023_47641_a_request_has_one_kind_of_length(world: World, version: bytes) -> None:
    """aiohttp: with both ``Content-Length`` and ``Transfer-Encoding``, its two parsers believed
    different ones.

    Here both together refuse the request.
    """
    for lines in (
        (b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        (b"Transfer-Encoding: chunked", b"Content-Length: 0"),
    ):
        head = world.head(*lines, method=b"POST", version=version)
        _refused(world, head + b"0\r\n\r\n")
        world.a.clear()
        world.b.clear()


def test_aiohttp_parses_with_llhttp(world: World) -> None:
    """Those advisories are about aiohttp's parser in Python: it is not the one in use."""
    from aiohttp import http_parser

    assert http_parser.HttpRequestParser is not http_parser.HttpRequestParserPy
    assert world.sekisho.process is not None


def test_kube_oidc_proxy_the_uid_is_stamped_with_the_name(world: World) -> None:
    """kube-oidc-proxy: ``Impersonate-Uid`` was neither set nor stripped, so a caller chose it.

    Here it is stamped always, and one that comes in is a wish that must be allowed like any other.
    """
    assert world.ask(world.head()).status == 200
    uids = re.findall(rb"(?i)\r\nimpersonate-uid: (\S+)\r\n", world.only().head)
    assert uids == [world.users["alice"].encode()]
    world.a.clear()
    world.a.allowed = {(world.users["alice"], "users", "lea")}
    lines = (b"Impersonate-User: lea", b"Impersonate-Uid: 0")
    assert world.ask(world.head(*lines)).status == 403
    assert world.a.asked() == []
    assert world.ask(world.head(b"Impersonate-Uid: 0")).status == 400


@pytest.mark.parametrize("name", ["aX", "a-", "a.", "aa", "a%20", "A", "a:443", "a;b"])
def test_a_clusters_prefix_has_a_boundary(world: World, name: str) -> None:
    """``/k8s/clusters/localX`` was taken for the cluster ``local`` by its prefix.

    Here the cluster is the whole segment, and looked up by that.
    """
    for cluster in (name, name.replace("a", world.clusters["a"])):
        target = f"/k8s/clusters/{cluster}/api".encode()
        assert world.ask(world.head(user="root", target=target)).status in {400, 404}
    world.nothing_arrived()


def test_a_token_for_one_cluster_opens_neither_another_nor_the_api(world: World) -> None:
    """A kubeconfig's token, made for one cluster, worked for others and the management
    API.

    Here a token's clusters are checked at every request, and such a token is not for ``/v1``.
    """
    world.tokens["scoped"] = world.new_token("root", clusters=["a"])
    for target in (
        b"/k8s/clusters/b/api",
        b"/v1/tokens",
        b"/v1/clusters",
        b"/v1/clusters/b/members",
    ):
        assert world.ask(world.head(user="scoped", target=target)).status == 403
    world.nothing_arrived()
    world.a.clear()
    assert world.ask(world.head(user="scoped")).status == 200
    assert world.only().bytes == world.expected(user="root")
