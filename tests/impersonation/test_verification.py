"""Tests of the final verification of a header block."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impersonation.header_filter import is_forwardable
from impersonation.impersonate_headers import impersonation_headers, request_id_line
from impersonation.request_headers import CHUNKED, body_framing, request_lines, upgrade_framing
from impersonation.verification import IdentityMismatch, verify_request_headers
from proxy.request.headers import InvalidHeaders, parse_headers
from tests.impersonation.test_impersonate_headers import subjects

CREDENTIAL = b"Authorization: Bearer service-account\r\n"
IDENTITY = b"Impersonate-User: u-1\r\nImpersonate-Group: system:authenticated\r\n"
REQUEST_ID = request_id_line("abcdefgh-1")
FORWARDED = ((b"Accept", b"application/json"), (b"User-Agent", b"kubectl"))


def built(
    forwarded: tuple[tuple[bytes, bytes], ...] = FORWARDED,
    *,
    credential: bytes = CREDENTIAL,
    framing: bytes = b"",
    forwarded_for: bytes = b"127.0.0.1",
    identity: bytes = IDENTITY,
    request_id: bytes = REQUEST_ID,
) -> bytes:
    return request_lines(
        forwarded,
        credential=credential,
        framing=framing,
        forwarded_for=forwarded_for,
        identity=identity,
        request_id=request_id,
    )


def verify(lines: bytes) -> None:
    verify_request_headers(lines, credential=CREDENTIAL, identity=IDENTITY, request_id=REQUEST_ID)


@pytest.mark.parametrize(
    "lines",
    [
        built(),
        built(()),
        built(framing=CHUNKED),
        built(framing=body_framing(b"12", chunked=False)),
        built(framing=upgrade_framing(b"SPDY/3.1")),
        built(forwarded_for=b"2001:db8::1"),
        built(((b"X-Impersonated-By", b"Impersonate-User: root"), (b"X-Host", b"y"))),
        built(((b"X", CREDENTIAL[:-2]), (b"Y", IDENTITY[:17]))),
        built(((b"Empty", b""), (b"Tea", b"caf\xc3\xa9\t!"))),
    ],
)
def test_verification_of_sekishos_headers_passes(lines: bytes) -> None:
    verify(lines)


@pytest.mark.parametrize(
    "name",
    [
        b"Impersonate-User",
        b"IMPERSONATE-GROUP",
        b"impersonate_user",
        b"Impersonate",
        b"Impersonate-Extra-Tomorrow",
        b"Authorization",
        b"AUTHORIZATION",
        b"Host",
        b"Connection",
        b"Upgrade",
        b"Content-Length",
        b"content_length",
        b"Transfer-Encoding",
        b"TE",
        b"Trailer",
        b"Expect",
        b"Cookie",
        b"Forwarded",
        b"X-Forwarded-For",
        b"X_Forwarded_Uri",
        b"X-Remote-User",
        b"Proxy-Authorization",
        b"",
        b" folded",
        b"\tfolded",
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_verification_with_a_forbidden_forwarded_line_raises(name: bytes, place: int) -> None:
    forwarded = [*FORWARDED[:place], (name, b"x"), *FORWARDED[place:]]
    with pytest.raises(IdentityMismatch):
        verify(built(tuple(forwarded)))


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n", b"\n\n", b"\r\n\r\n", b"\r\r\n", b"\0"])
@pytest.mark.parametrize("hidden", [b"Impersonate-User: root", b"X: harmless", b""])
def test_verification_with_a_hidden_line_raises(end: bytes, hidden: bytes) -> None:
    if (end, hidden) == (b"\r\n", b"X: harmless"):
        return
    with pytest.raises(IdentityMismatch):
        verify(built(((b"Accept", b"a" + end + hidden), *FORWARDED)))


@pytest.mark.parametrize(
    "lines",
    [
        b"",
        b"\r\n",
        built()[:-2],
        built() + b"\r\n",
        built() + b"Impersonate-User: root\r\n\r\n",
        built(identity=b""),
        built(identity=b"Impersonate-User: root\r\n"),
        built(identity=IDENTITY + b"Impersonate-Group: system:masters\r\n"),
        built(identity=b"Impersonate-Group: system:masters\r\n" + IDENTITY),
        built(identity=b"Authorization: Bearer other\r\n" + IDENTITY),
        built(identity=IDENTITY.swapcase()),
        built(request_id=b""),
        built(request_id=request_id_line("another-1")),
        built(credential=b""),
        built(credential=b"Authorization: Bearer other\r\n"),
        built(credential=CREDENTIAL[:-2]),
        built(credential=CREDENTIAL + CREDENTIAL),
        built(credential=b"X-" + CREDENTIAL),
        built(framing=CHUNKED + body_framing(b"1", chunked=False)),
        built(framing=b"Content-Length: \r\n"),
        built(framing=b"Content-Length: 1\r\nImpersonate-User: root\r\n"),
        built(framing=b"Impersonate-User: root\r\n"),
        built(framing=upgrade_framing(b"a\r\nX: y")),
        built(forwarded_for=b"1\r\nImpersonate-User: root"),
        built(forwarded_for=b"1, 2"),
    ],
)
def test_verification_without_sekishos_lines_once_and_last_raises(lines: bytes) -> None:
    with pytest.raises(IdentityMismatch):
        verify(lines)


def test_verification_without_an_identity_raises() -> None:
    """Without an identity the request would have the service account's permissions."""
    with pytest.raises(IdentityMismatch):
        verify_request_headers(
            built(identity=b""), credential=CREDENTIAL, identity=b"", request_id=REQUEST_ID
        )


def test_message_of_identity_mismatch_contains_no_value() -> None:
    with pytest.raises(IdentityMismatch) as error:
        verify(built(((b"Authorization", b"Bearer secret"),)))
    assert "secret" not in str(error.value)


RESERVED = st.sampled_from(
    [
        *(b"Impersonate-User", b"impersonate_group", b"Authorization", b"Host", b"Connection"),
        *(b"Content-Length", b"Transfer_Encoding", b"X-Remote-User", b"Expect", b"Cookie"),
        *(b"X-Forwarded-For", b"Upgrade", b"TE", b"Trailer", b"Proxy-Status", b"Forwarded"),
    ]
)
TOKENS = st.from_regex(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}", fullmatch=True)
NAMES = st.one_of(RESERVED, TOKENS, st.builds(bytes.__add__, RESERVED, TOKENS))
VALUES = st.from_regex(rb"[!-~\x80-\xff]([ \t!-~\x80-\xff]{0,20}[!-~\x80-\xff])?|", fullmatch=True)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=12), subjects())
def test_verification_of_any_parsed_headers_passes(
    headers: list[tuple[bytes, bytes]], identity: bytes
) -> None:
    """The verification and the header filter agree on every name."""
    try:
        forwarded = parse_headers(headers).forwarded
    except InvalidHeaders:
        return
    lines = built(tuple(forwarded), identity=identity)
    verify_request_headers(lines, credential=CREDENTIAL, identity=identity, request_id=REQUEST_ID)
    assert lines.count(b"\r\n\r\n") == 1


@given(NAMES.filter(lambda name: not is_forwardable(name)), st.integers(0, 2))
def test_verification_rejects_each_line_that_a_filter_missed(name: bytes, place: int) -> None:
    normalized = name.lower().replace(b"_", b"-")
    dangerous = normalized.startswith((b"impersonate", b"x-remote-", b"x-forwarded-", b"proxy-"))
    if not dangerous and normalized not in {b"authorization", b"host", b"connection", b"cookie"}:
        return
    forwarded = [*FORWARDED[:place], (name, b"x"), *FORWARDED[place:]]
    with pytest.raises(IdentityMismatch):
        verify(built(tuple(forwarded)))


def test_verification_of_a_long_header_block_rejects_forbidden_lines() -> None:
    long = (b"X-Long", b"x" * 5000)
    verify(built((long,)))
    with pytest.raises(IdentityMismatch):
        verify(built((long, (b"Impersonate-User", b"root"))))


def test_verification_of_an_identity_with_a_thousand_groups_passes() -> None:
    from impersonation.identity import Subject

    block = impersonation_headers(
        Subject("u-1", groups=tuple(f"github_team://{n}" for n in range(1000)))
    )
    verify_request_headers(
        built(identity=block), credential=CREDENTIAL, identity=block, request_id=REQUEST_ID
    )
