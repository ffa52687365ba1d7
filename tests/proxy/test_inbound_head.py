"""Sorting a request's header lines."""

import base64

import pytest

from proxy.inbound_head import BadHead, read_head

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
