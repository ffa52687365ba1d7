"""Every input that fuzzing was seeded with, or found: none makes the gate send what it must not."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fuzz.target import PLAIN, Arrived, Target, Violation, own_identity, target

CORPUS = sorted((Path(__file__).parent / "corpus").iterdir())


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[Target]:
    async with target(tmp_path) as running:
        yield running


async def test_no_input_of_the_corpus_gets_anything_past_the_gate(gate: Target) -> None:
    assert CORPUS
    await gate.run(PLAIN)
    gate.patience = 0.05
    for file in CORPUS:
        try:
            await gate.run(file.read_bytes())
        except Violation as exc:
            raise AssertionError(f"{file.name}: {exc}") from exc


async def test_the_target_sees_what_arrives(gate: Target) -> None:
    """A fuzzer that reaches nothing finds nothing."""
    assert (await gate.run(PLAIN)).startswith(b"HTTP/1.1 299 ")
    assert [one.target for one in gate.arrived] == [b"/api"]
    assert (await gate.run(PLAIN + b"<|>" + PLAIN)).count(b"HTTP/1.1 299 ") == 2
    assert len(gate.arrived) == 2
    jane = PLAIN.replace(b"\r\n\r\n", b"\r\nImpersonate-User: jane\r\n\r\n")
    assert (await gate.run(jane)).startswith(b"HTTP/1.1 299 ")
    assert (await gate.run(jane.replace(b"jane", b"root"))).startswith(b"HTTP/1.1 403 ")


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
async def test_the_target_tells_a_violation(gate: Target, line: tuple[bytes, bytes]) -> None:
    await gate.run(PLAIN)
    [seen] = gate.arrived
    assert seen.headers[-len(own_identity()) - 1 : -1] == own_identity()
    for place in (0, len(seen.headers)):
        headers = [*seen.headers[:place], line, *seen.headers[place:]]
        gate.arrived[:] = [Arrived(seen.method, seen.target, headers, whole=True)]
        with pytest.raises(Violation):
            gate._check(b"HTTP/1.1 299 ", cut_off=False)


async def test_the_target_tells_a_request_too_many(gate: Target) -> None:
    await gate.run(PLAIN)
    gate.arrived *= 2
    with pytest.raises(Violation, match="2 requests arrived, 1 were answered"):
        gate._check(b"HTTP/1.1 299 ", cut_off=False)
