"""Bytes as a file: whole, for one reading, and on no disk."""

import os
from pathlib import Path

import pytest

from config.bytes_as_file import MAX_BYTES, as_file


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, MAX_BYTES])
def test_bytes_are_read_from_the_path_whole(size: int) -> None:
    data = os.urandom(size)
    with as_file(data) as path:
        assert Path(path).read_bytes() == data


def test_more_bytes_than_a_pipe_holds_are_an_error_and_leave_nothing_open() -> None:
    before = os.listdir("/proc/self/fd")
    with pytest.raises(OSError, match="too large"), as_file(bytes(MAX_BYTES + 1)):
        pass
    assert len(os.listdir("/proc/self/fd")) == len(before)
