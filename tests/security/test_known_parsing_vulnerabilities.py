"""Published vulnerabilities of HTTP parsers and routers, against a real Sekisho."""

import pytest

from tests.security.world import World

UNDERSCORED = [
    *(b"X_Forwarded_User: root", b"X-Forwarded_Email: root@x", b"x_forwarded_access_token: t"),
    *(b"X_Remote_User: root", b"X_Auth_Request_User: root", b"Content_Length: 5"),
    *(b"Transfer_Encoding: chunked", b"X_Forwarded_For: 6.6.6.6", b"X_Real_IP: 6.6.6.6"),
    b"X_Request_Id: forged-by-client",
]


def test_cve_2025_64484_underscored_headers_are_filtered(world: World) -> None:
    """oauth2-proxy: ``X_Forwarded_User`` wasn't removed, and WSGI and CGI servers behind it read it
    as the ``X-Forwarded-User`` that they trust.

    Here ``_`` counts as ``-`` when names are compared.
    """
    lines = [line for line in UNDERSCORED if not line.startswith(b"X_Auth")]
    assert world.send(world.head(*lines, b"X_Custom: fine")).status == 200
    assert world.only_request().raw == world.expected_head(b"X_Custom: fine")


def test_cve_2015_0219_underscored_impersonation_header_is_rejected(world: World) -> None:
    """Django: WSGI maps ``X-Auth_User`` and ``X-Auth-User`` to one name, so stripping one of them
    left the other.

    Here an impersonation header in any spelling is rejected, not merely dropped.
    """
    for name in (b"Impersonate_User", b"Impersonate_Group", b"impersonate-extra_username"):
        assert world.send(world.head(name + b": root")).status == 400
    world.assert_nothing_received()


@pytest.mark.parametrize(
    "line",
    [
        *(b"X-Forwarded-Uri: /healthz", b"X-Forwarded-Uri: /v1/providers"),
        *(b"X-Original-Url: /healthz", b"X-Original-Uri: /healthz", b"X-Rewrite-Url: /healthz"),
        *(b"X-Forwarded-Path: /", b"X-Forwarded-Prefix: /k8s", b"X-Forwarded-Method: OPTIONS"),
    ],
)
def test_cve_2026_40575_path_header_does_not_skip_authentication(world: World, line: bytes) -> None:
    """``X-Forwarded-Uri`` was trusted, so any request could claim a path that needs no sign-in.

    Here only the request line names the requested path.
    """
    assert world.send(world.head(line, user=None)).status == 401
    assert world.send(world.head(line, user=None, target=b"/v1/me")).status == 401
    world.assert_nothing_received()
    assert world.send(world.head(line)).status == 200
    assert world.only_request().raw == world.expected_head()


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
def test_cve_2026_88804_method_is_not_overridden(world: World, target: bytes, line: bytes) -> None:
    """A proxy authorized the method of the request line, and a ``_method`` parameter or an override
    header changed it afterwards.

    Here the method of the request line is the only one, and override headers are not forwarded.
    """
    world.tokens["reader"] = world.create_token("alice", read_only=True)
    response = world.send(world.head(line, user="reader", target=b"/k8s/clusters/a" + target))
    assert response.status == 200
    passed = (line,) if line.startswith(b"Accept") else ()
    assert world.only_request().raw == world.expected_head(*passed, target=target)


def test_cve_2026_88804_method_is_not_overridden_for_api(world: World) -> None:
    name = world.create_token("alice").partition(":")[0].encode()
    for target, line in (
        (b"/v1/tokens/" + name + b"?_method=DELETE", b"Accept: a"),
        (b"/v1/tokens/" + name, b"X-HTTP-Method-Override: DELETE"),
    ):
        assert world.send(world.head(line, method=b"GET", target=target)).status == 405
    tokens = world.send(world.head(target=b"/v1/tokens")).json()["items"]
    assert name.decode() in [one["name"] for one in tokens]


HIDDEN = b"GET /k8s/clusters/a/hidden HTTP/1.1\r\nHost: gate\r\n\r\n"


def _assert_rejected(world: World, request: bytes) -> None:
    with world.connect() as wire:
        wire.send(request + HIDDEN)
        assert wire.read_response().status == 400
        assert wire.is_closed_silently()
    world.assert_nothing_received()


@pytest.mark.parametrize(
    "line", [b"Content-Length: +1", b"Content-Length: 1_0", b"Content-Length: -0", b"X\x00: a"]
)
def test_ghsa_45c4_8wx5_qw6w_lengths_and_names_are_read_strictly(world: World, line: bytes) -> None:
    """aiohttp: ``Content-Length: +1`` and the like were read as numbers, and control characters
    taken for parts of names, where other servers see something else (CVE-2023-37276).

    Here llhttp parses strictly, and forwarded headers are serialized again.
    """
    _assert_rejected(world, world.head(line, method=b"POST") + b"a")


@pytest.mark.parametrize(
    "line",
    [
        *(b"Content-Length : 1", b"X\x0b: a", b"X y: a", b"X\t: a", b"(X): a", b"X: a\rb: c"),
        *(b"X: a\nb: c", b"X: a\x00b"),
    ],
)
def test_ghsa_gfw2_4jvh_wgfg_header_lines_are_parsed_strictly(world: World, line: bytes) -> None:
    """aiohttp: its Python parser accepted header lines that other parsers don't, and split values
    at line ends that others don't recognize (CVE-2023-47627).

    Here a request with such a line is rejected, and the connection ends.
    """
    _assert_rejected(world, world.head(line, method=b"POST") + b"a")


@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
def test_cve_2023_47641_request_with_two_lengths_is_rejected(world: World, version: bytes) -> None:
    """aiohttp: with both ``Content-Length`` and ``Transfer-Encoding``, its two parsers used
    different ones.

    Here a request with both is rejected.
    """
    for lines in (
        (b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        (b"Transfer-Encoding: chunked", b"Content-Length: 0"),
    ):
        head = world.head(*lines, method=b"POST", version=version)
        _assert_rejected(world, head + b"0\r\n\r\n")
        world.a.reset()
        world.b.reset()


def test_aiohttp_parses_with_llhttp(world: World) -> None:
    """These advisories concern aiohttp's Python parser, which is not in use here."""
    from aiohttp import http_parser

    assert http_parser.HttpRequestParser is not http_parser.HttpRequestParserPy
    assert world.sekisho.process is not None


@pytest.mark.parametrize("name", ["aX", "a-", "a.", "aa", "a%20", "A", "a:443", "a;b"])
def test_cluster_name_is_matched_as_whole_segment(world: World, name: str) -> None:
    """``/k8s/clusters/localX`` matched the cluster ``local`` by its prefix.

    Here the cluster's name is the whole path segment.
    """
    for cluster in (name, name.replace("a", world.clusters["a"])):
        target = f"/k8s/clusters/{cluster}/api".encode()
        assert world.send(world.head(user="root", target=target)).status in {400, 404}
    world.assert_nothing_received()
