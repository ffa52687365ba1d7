"""Parsing of a request's header lines."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impersonation.identity import Subject
from impersonation.impersonate_headers import impersonation_headers, request_id_line
from impersonation.request_headers import body_framing, request_lines, upgrade_framing
from proxy.request.headers import InvalidHeaders, parse_headers

BEARER = b"base64url.bearer.authorization.k8s.io."


def test_parse_headers_removes_the_credential_and_keeps_the_order() -> None:
    head = parse_headers(
        [
            (b"Host", b"proxy"),
            (b"Accept", b"a"),
            (b"Authorization", b"Bearer x"),
            (b"Accept", b"b"),
        ]
    )
    assert head.authorization == b"Bearer x"
    assert head.forwarded == [(b"Accept", b"a"), (b"Accept", b"b")]


@pytest.mark.parametrize("name", [b"Authorization", b"Content-Length", b"X-Request-Id"])
def test_parse_headers_with_a_repeated_critical_header_raises(name: bytes) -> None:
    with pytest.raises(InvalidHeaders):
        parse_headers([(name, b"1"), (name.lower(), b"1")])


def test_connection_options_do_not_remove_authorization_and_impersonation() -> None:
    head = parse_headers(
        [
            (b"Connection", b"close, X-Custom, Authorization, Impersonate-User"),
            (b"X-Custom", b"1"),
            (b"Authorization", b"Bearer x"),
            (b"Impersonate-User", b"root"),
        ]
    )
    assert head.forwarded == []
    assert head.authorization == b"Bearer x"
    assert head.impersonates


def test_parse_headers_with_connection_options_drops_the_named_lines_only() -> None:
    head = parse_headers(
        [(b"Connection", b"keep-alive, X-Hop"), (b"X-Hop", b"1"), (b"Accept", b"*/*")]
    )
    assert head.connection == {b"keep-alive", b"x-hop"}
    assert head.forwarded == [(b"Accept", b"*/*")]


@given(
    st.lists(
        st.tuples(
            st.text("abcdefgIMPERSONATEimpersonate-_", min_size=1, max_size=24).map(str.encode),
            st.binary(max_size=8),
        )
    )
)
def test_parse_headers_of_any_lines_forwards_no_impersonation_header(
    headers: list[tuple[bytes, bytes]],
) -> None:
    for name, _ in parse_headers(headers).forwarded:
        assert not name.lower().replace(b"_", b"-").startswith(b"impersonate")


def test_upgrade_needs_both_headers_and_a_protocol_of_kubernetes() -> None:
    both = [(b"Connection", b"Upgrade"), (b"Upgrade", b"SPDY/3.1")]
    assert parse_headers(both).upgrade == b"SPDY/3.1"
    assert parse_headers(both[:1]).upgrade is None
    assert parse_headers(both[1:]).upgrade is None
    assert parse_headers([(b"Connection", b"Upgrade"), (b"Upgrade", b"h2c")]).upgrade is None


def test_bearer_subprotocol_is_removed() -> None:
    token = base64.urlsafe_b64encode(b"token-a:b").rstrip(b"=")
    head = parse_headers([(b"Sec-WebSocket-Protocol", b"v5.channel.k8s.io, " + BEARER + token)])
    assert head.websocket_bearer == b"token-a:b"
    assert head.forwarded == [(b"Sec-WebSocket-Protocol", b"v5.channel.k8s.io")]


@pytest.mark.parametrize(
    "value",
    [BEARER + b"YQ", BEARER + b"!, v4.channel.k8s.io", BEARER + b"YQ, x, " + BEARER + b"YQ"],
)
def test_bearer_subprotocol_alone_malformed_or_repeated_is_rejected(value: bytes) -> None:
    with pytest.raises(InvalidHeaders):
        parse_headers([(b"Sec-WebSocket-Protocol", value)])


def test_transfer_encoding_other_than_chunked_is_rejected() -> None:
    assert parse_headers([(b"Transfer-Encoding", b"Chunked")]).chunked
    with pytest.raises(InvalidHeaders):
        parse_headers([(b"Transfer-Encoding", b"gzip, chunked")])


FAMILIES = st.sampled_from(
    [
        *("Impersonate-User", "Impersonate-Group", "Impersonate-Uid", "Impersonate-Extra-Scopes"),
        *("Authorization", "X-Remote-User", "X-Remote-Extra-A", "X-Forwarded-For", "Forwarded"),
        *("Cookie", "Host", "Connection", "Content-Length", "Transfer-Encoding", "Upgrade", "TE"),
        *("Proxy-Authorization", "X-Real-IP", "X-Request-Id", "X-CSRF-Token", "Expect", "Trailer"),
    ]
)


@st.composite
def spelt(draw: st.DrawFn) -> bytes:
    """Draw a header name in a spelling that an attacker may choose."""
    letters = [
        draw(st.sampled_from([one.lower(), one.upper(), "_" if one == "-" else one]))
        for one in draw(FAMILIES)
    ]
    return "".join(letters).encode()


VALUES = st.sampled_from(
    [b"", b"x", b"root", b"chunked", b"5", b"Impersonate-User", b"close, Authorization", b"Upgrade"]
) | st.from_regex(rb"[!-~]{1,12}", fullmatch=True)
NAMES = spelt() | st.from_regex(rb"[A-Za-z0-9_-]{1,16}", fullmatch=True)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=16))
def test_upstream_headers_end_with_sekishos_identity_exactly_once(
    headers: list[tuple[bytes, bytes]],
) -> None:
    try:
        head = parse_headers(headers)
    except InvalidHeaders:
        return
    identity = impersonation_headers(
        Subject("u-1", uid="u-1", groups=("a", "b"), extra={"k": ("v",)})
    )
    request_id = request_id_line("abcdefgh-1")
    lines = request_lines(
        head.forwarded,
        credential=b"Authorization: Bearer impersonator\r\n",
        framing=upgrade_framing(head.upgrade)
        if head.upgrade
        else body_framing(head.length, chunked=head.chunked),
        forwarded_for=b"127.0.0.1",
        identity=identity,
        request_id=request_id,
    )
    assert lines.endswith(identity + request_id + b"\r\n")
    before = lines.removesuffix(identity + request_id + b"\r\n").split(b"\r\n")[:-1]
    plain = [line.partition(b":")[0].lower().replace(b"_", b"-") for line in before]
    assert not [name for name in plain if name.startswith((b"impersonate", b"x-remote", b"proxy"))]
    assert plain.count(b"authorization") == plain.count(b"x-forwarded-for") == 1
    assert b"Authorization: Bearer impersonator" in before
    assert b"X-Forwarded-For: 127.0.0.1" in before
    assert plain.count(b"content-length") + plain.count(b"transfer-encoding") <= 1
    for name in (b"host", b"cookie", b"forwarded", b"te", b"trailer", b"expect", b"x-real-ip"):
        assert name not in plain
