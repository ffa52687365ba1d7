"""Run every seed and every input that fuzzing found. None may cause a violation."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fuzz.checks import ForwardedRequest, Violation, own_identity
from tests.fuzz.target import VALID_REQUEST, Target, target

CORPUS = sorted((Path(__file__).parent / "corpus").iterdir())


@pytest.fixture
async def proxy(tmp_path: Path) -> AsyncIterator[Target]:
    async with target(tmp_path) as running:
        yield running


async def test_corpus_causes_no_violation(proxy: Target) -> None:
    assert CORPUS
    await proxy.run(VALID_REQUEST)
    proxy.idle_timeout = 0.05
    for file in CORPUS:
        try:
            await proxy.run(file.read_bytes())
        except Violation as exc:
            raise AssertionError(f"{file.name}: {exc}") from exc


async def test_target_records_forwarded_requests(proxy: Target) -> None:
    """A fuzz target that never reaches the upstream would find nothing."""
    assert (await proxy.run(VALID_REQUEST)).startswith(b"HTTP/1.1 299 ")
    assert [one.target for one in proxy.forwarded] == [b"/api"]
    assert (await proxy.run(VALID_REQUEST + b"<|>" + VALID_REQUEST)).count(b"HTTP/1.1 299 ") == 2
    assert len(proxy.forwarded) == 2
    jane = VALID_REQUEST.replace(b"\r\n\r\n", b"\r\nImpersonate-User: jane\r\n\r\n")
    assert (await proxy.run(jane)).startswith(b"HTTP/1.1 299 ")
    assert (await proxy.run(jane.replace(b"jane", b"root"))).startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize(
    "line",
    [
        (b"Impersonate-User", b"root"),
        (b"impersonate_group", b"system:masters"),
        (b"X-Remote-User", b"root"),
        (b"Cookie", b"a=b"),
        (b"Host", b"other"),
        (b"Authorization", b"Bearer x"),
        (b"Transfer_Encoding", b"chunked"),
    ],
)
async def test_target_detects_forbidden_header(proxy: Target, line: tuple[bytes, bytes]) -> None:
    await proxy.run(VALID_REQUEST)
    [request] = proxy.forwarded
    assert request.headers[-len(own_identity()) - 1 : -1] == own_identity()
    for position in (0, len(request.headers)):
        headers = [*request.headers[:position], line, *request.headers[position:]]
        proxy.forwarded[:] = [
            ForwardedRequest(request.method, request.target, headers, complete=True)
        ]
        with pytest.raises(Violation):
            proxy._check(b"HTTP/1.1 299 ", truncated=False)


async def test_target_detects_extra_request(proxy: Target) -> None:
    await proxy.run(VALID_REQUEST)
    proxy.forwarded *= 2
    with pytest.raises(Violation, match="2 requests were forwarded, 1 were answered"):
        proxy._check(b"HTTP/1.1 299 ", truncated=False)
