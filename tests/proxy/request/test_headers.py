"""Sorting a request's header lines."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impersonation.identity import Subject
from impersonation.outbound import header_block, request_id_line
from proxy.inbound_head import BadHead, read_head
from proxy.upstream_head import body_framing, request_lines, upgrade_framing

BEARER = b"base64url.bearer.authorization.k8s.io."


def test_the_credential_is_taken_out_and_the_rest_goes_on_in_order() -> None:
    head = read_head(
        [
            (b"Host", b"gate"),
            (b"Accept", b"a"),
            (b"Authorization", b"Bearer x"),
            (b"Accept", b"b"),
        ]
    )
    assert head.authorization == b"Bearer x"
    assert head.passed == [(b"Accept", b"a"), (b"Accept", b"b")]


@pytest.mark.parametrize("name", [b"Authorization", b"Content-Length", b"X-Request-Id"])
def test_a_line_that_decides_something_may_be_there_once(name: bytes) -> None:
    with pytest.raises(BadHead):
        read_head([(name, b"1"), (name.lower(), b"1")])


def test_connection_takes_down_what_it_names_but_not_what_is_ours() -> None:
    head = read_head(
        [
            (b"Connection", b"close, X-Custom, Authorization, Impersonate-User"),
            (b"X-Custom", b"1"),
            (b"Authorization", b"Bearer x"),
            (b"Impersonate-User", b"root"),
        ]
    )
    assert head.passed == []
    assert head.authorization == b"Bearer x"
    assert head.impersonates


def test_an_upgrade_needs_both_lines_and_a_protocol_that_kubernetes_speaks() -> None:
    both = [(b"Connection", b"Upgrade"), (b"Upgrade", b"SPDY/3.1")]
    assert read_head(both).upgrade == b"SPDY/3.1"
    assert read_head(both[:1]).upgrade is None
    assert read_head(both[1:]).upgrade is None
    assert read_head([(b"Connection", b"Upgrade"), (b"Upgrade", b"h2c")]).upgrade is None


def test_a_bearer_subprotocol_is_consumed() -> None:
    token = base64.urlsafe_b64encode(b"token-a:b").rstrip(b"=")
    head = read_head([(b"Sec-WebSocket-Protocol", b"v5.channel.k8s.io, " + BEARER + token)])
    assert head.websocket_bearer == b"token-a:b"
    assert head.passed == [(b"Sec-WebSocket-Protocol", b"v5.channel.k8s.io")]


@pytest.mark.parametrize(
    "value",
    [BEARER + b"YQ", BEARER + b"!, v4.channel.k8s.io", BEARER + b"YQ, x, " + BEARER + b"YQ"],
)
def test_a_bearer_subprotocol_that_is_alone_malformed_or_twice_is_refused(value: bytes) -> None:
    with pytest.raises(BadHead):
        read_head([(b"Sec-WebSocket-Protocol", value)])


def test_only_chunked_is_understood_as_a_transfer_encoding() -> None:
    assert read_head([(b"Transfer-Encoding", b"Chunked")]).chunked
    with pytest.raises(BadHead):
        read_head([(b"Transfer-Encoding", b"gzip, chunked")])


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
    """A name of one of the families, as somebody who means harm might spell it."""
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
def test_whatever_comes_in_what_goes_out_has_our_identity_once_and_last(
    headers: list[tuple[bytes, bytes]],
) -> None:
    try:
        head = read_head(headers)
    except BadHead:
        return
    identity = header_block(Subject("u-1", uid="u-1", groups=("a", "b"), extra={"k": ("v",)}))
    request_id = request_id_line("abcdefgh-1")
    lines = request_lines(
        head.passed,
        credential=b"Authorization: Bearer ours\r\n",
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
    assert b"Authorization: Bearer ours" in before
    assert b"X-Forwarded-For: 127.0.0.1" in before
    assert plain.count(b"content-length") + plain.count(b"transfer-encoding") <= 1
    for name in (b"host", b"cookie", b"forwarded", b"te", b"trailer", b"expect", b"x-real-ip"):
        assert name not in plain
