"""The last look at the bytes of a request's head."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impersonation.inbound import goes_on
from impersonation.outbound import header_block, request_id_line
from proxy.final_check import IdentityMismatch, verify_head
from proxy.inbound_head import BadHead, read_head
from proxy.upstream_head import CHUNKED, body_framing, request_lines, upgrade_framing
from tests.impersonation.test_outbound import subjects

CREDENTIAL = b"Authorization: Bearer service-account\r\n"
IDENTITY = b"Impersonate-User: u-1\r\nImpersonate-Group: system:authenticated\r\n"
REQUEST_ID = request_id_line("abcdefgh-1")
PASSED = ((b"Accept", b"application/json"), (b"User-Agent", b"kubectl"))


def built(
    passed: tuple[tuple[bytes, bytes], ...] = PASSED,
    *,
    credential: bytes = CREDENTIAL,
    framing: bytes = b"",
    forwarded_for: bytes = b"127.0.0.1",
    identity: bytes = IDENTITY,
    request_id: bytes = REQUEST_ID,
) -> bytes:
    return request_lines(
        passed,
        credential=credential,
        framing=framing,
        forwarded_for=forwarded_for,
        identity=identity,
        request_id=request_id,
    )


def verify(lines: bytes) -> None:
    verify_head(lines, credential=CREDENTIAL, identity=IDENTITY, request_id=REQUEST_ID)


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
def test_what_the_gate_writes_passes(lines: bytes) -> None:
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
def test_a_line_that_is_the_gates_to_write_may_not_be_among_those_passed_on(
    name: bytes, place: int
) -> None:
    passed = [*PASSED[:place], (name, b"x"), *PASSED[place:]]
    with pytest.raises(IdentityMismatch):
        verify(built(tuple(passed)))


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n", b"\n\n", b"\r\n\r\n", b"\r\r\n", b"\0"])
@pytest.mark.parametrize("hidden", [b"Impersonate-User: root", b"X: harmless", b""])
def test_a_line_may_not_hide_another(end: bytes, hidden: bytes) -> None:
    if (end, hidden) == (b"\r\n", b"X: harmless"):
        return
    with pytest.raises(IdentityMismatch):
        verify(built(((b"Accept", b"a" + end + hidden), *PASSED)))


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
def test_ours_must_be_there_once_whole_and_last(lines: bytes) -> None:
    with pytest.raises(IdentityMismatch):
        verify(lines)


def test_nobody_at_all_is_not_an_identity() -> None:
    """A request without an identity would be the service account's own."""
    with pytest.raises(IdentityMismatch):
        verify_head(built(identity=b""), credential=CREDENTIAL, identity=b"", request_id=REQUEST_ID)


def test_the_message_has_no_value_in_it() -> None:
    with pytest.raises(IdentityMismatch) as error:
        verify(built(((b"Authorization", b"Bearer secret"),)))
    assert "secret" not in str(error.value)


OURS = st.sampled_from(
    [
        *(b"Impersonate-User", b"impersonate_group", b"Authorization", b"Host", b"Connection"),
        *(b"Content-Length", b"Transfer_Encoding", b"X-Remote-User", b"Expect", b"Cookie"),
        *(b"X-Forwarded-For", b"Upgrade", b"TE", b"Trailer", b"Proxy-Status", b"Forwarded"),
    ]
)
TOKENS = st.from_regex(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}", fullmatch=True)
NAMES = st.one_of(OURS, TOKENS, st.builds(bytes.__add__, OURS, TOKENS))
VALUES = st.from_regex(rb"[!-~\x80-\xff]([ \t!-~\x80-\xff]{0,20}[!-~\x80-\xff])?|", fullmatch=True)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=12), subjects())
def test_what_is_read_from_any_well_formed_head_and_stamped_passes(
    headers: list[tuple[bytes, bytes]], identity: bytes
) -> None:
    """No request that is let in fails here: the check and the filters agree on every name."""
    try:
        passed = read_head(headers).passed
    except BadHead:
        return
    lines = built(tuple(passed), identity=identity)
    verify_head(lines, credential=CREDENTIAL, identity=identity, request_id=REQUEST_ID)
    assert lines.count(b"\r\n\r\n") == 1


@given(NAMES.filter(lambda name: not goes_on(name)), st.integers(0, 2))
def test_no_line_of_identity_credential_or_framing_gets_by_if_a_filter_forgets_it(
    name: bytes, place: int
) -> None:
    plain = name.lower().replace(b"_", b"-")
    dangerous = plain.startswith((b"impersonate", b"x-remote-", b"x-forwarded-", b"proxy-"))
    if not dangerous and plain not in {b"authorization", b"host", b"connection", b"cookie"}:
        return
    passed = [*PASSED[:place], (name, b"x"), *PASSED[place:]]
    with pytest.raises(IdentityMismatch):
        verify(built(tuple(passed)))


def test_a_long_head_is_looked_at_as_well() -> None:
    long = (b"X-Long", b"x" * 5000)
    verify(built((long,)))
    with pytest.raises(IdentityMismatch):
        verify(built((long, (b"Impersonate-User", b"root"))))


def test_an_identity_of_a_thousand_groups_passes() -> None:
    from impersonation.identity import Subject

    block = header_block(Subject("u-1", groups=tuple(f"github_team://{n}" for n in range(1000))))
    verify_head(built(identity=block), credential=CREDENTIAL, identity=block, request_id=REQUEST_ID)
