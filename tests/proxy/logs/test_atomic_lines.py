"""Log lines of several processes on one stream."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.logs.atomic_lines import PIPE_BUF, AtomicLineStream, parts
from tests.proxy.logs.full_files import files_of_at_most

_WRITER = """
import io, os, sys
from proxy.logs.line_writer import LineWriter
name, count = sys.argv[1], int(sys.argv[2])
log = LineWriter(sys.stderr)
for number in range(count):
    log.write(f"{name} {number} " + name * (number % 300))
log.close(30)
"""
COUNT = 5_000


def started(name: str, stderr: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", _WRITER, name, str(COUNT)],
        stderr=stderr,
        cwd=Path(__file__).parents[3],
    )


def read_all(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read()


@pytest.mark.parametrize("kind", ["pipe", "file"])
def test_lines_of_several_processes_are_not_mixed(kind: str, tmp_path: Path) -> None:
    if kind == "pipe":
        reading, writing = os.pipe()
    else:
        writing = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
        reading = os.open(tmp_path / "log", os.O_RDONLY)
    writers = [started(name, writing) for name in "abc"]
    os.close(writing)
    if kind == "file":
        assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    written = read_all(reading).decode().splitlines()
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    for name in "abc":
        expected = [f"{name} {number} " + name * (number % 300) for number in range(COUNT)]
        assert [line for line in written if line[:1] == name] == expected
    assert len(written) == 3 * COUNT


def test_line_after_one_that_a_full_disk_took_in_part_begins_a_line(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as file:
        log = AtomicLineStream(file)
        log.write("before\n")
        with files_of_at_most(12), pytest.raises(OSError, match="File too large"):
            log.write("is not complete\n")
        log.write("after\n")
        log.write("later\n")
    assert (tmp_path / "log").read_text().splitlines() == ["before", "is no", "after", "later"]


LINES = st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\n", b" ") + b"\n"), max_size=30)


@given(LINES, st.integers(1, 40))
def test_parts_are_complete_lines_and_as_few_as_possible(lines: list[bytes], most: int) -> None:
    found = parts(b"".join(lines), most)
    assert b"".join(found) == b"".join(lines)
    assert all(one.endswith(b"\n") for one in found)
    assert all(len(one) <= most or one.count(b"\n") == 1 for one in found)
    for one, following in itertools.pairwise(found):
        assert len(one) + following.index(b"\n") + 1 > most


def test_parts_include_text_without_a_newline() -> None:
    assert parts(b"abcdef", 4) == [b"abcdef"]
    assert parts(b"ab\ncdef", 4) == [b"ab\n", b"cdef"]
    assert parts(b"") == []
    assert PIPE_BUF >= 512
