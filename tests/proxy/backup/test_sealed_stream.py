"""The encrypted stream: only the whole stream, unchanged and in order, can be read."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.backup.sealed_stream import CHUNK_BYTES, DamagedBackup, SealingWriter, opened_chunks

KEY = b"k" * 32
SEALED = CHUNK_BYTES + 16


def _sealed(plain: bytes, step: int = 10_000) -> bytes:
    output = io.BytesIO()
    writer = SealingWriter(output, KEY)
    for start in range(0, len(plain), step):
        writer.write(plain[start : start + step])
    writer.finish()
    return output.getvalue()


def _opened(sealed: bytes, key: bytes = KEY) -> bytes:
    return b"".join(opened_chunks(io.BytesIO(sealed), key))


PLAIN = bytes(range(256)) * 1024  # exactly four chunks
STREAM = _sealed(PLAIN)


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 200_000])
def test_stream_of_any_length_is_read_back(size: int) -> None:
    plain = (PLAIN * 2)[:size]
    assert _opened(_sealed(plain)) == plain
    assert plain[:50] not in _sealed(plain) or size == 0 or size == 1


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(STREAM[:-1], id="cut"),
        pytest.param(STREAM[: 3 * SEALED], id="cut between chunks"),
        pytest.param(b"", id="empty"),
        pytest.param(STREAM[SEALED:], id="without the first chunk"),
        pytest.param(
            STREAM[SEALED : 2 * SEALED] + STREAM[:SEALED] + STREAM[2 * SEALED :], id="swap"
        ),
        pytest.param(STREAM[:SEALED] + STREAM, id="repeated"),
        pytest.param(STREAM + STREAM[-SEALED:], id="longer"),
        pytest.param(STREAM + b"x", id="trailing byte"),
    ],
)
def test_stream_that_is_not_whole_and_in_order_is_refused(changed: bytes) -> None:
    with pytest.raises(DamagedBackup, match="damaged"):
        _opened(changed)


@given(st.integers(0, len(STREAM) - 1), st.integers(1, 255))
def test_changed_byte_is_detected(position: int, change: int) -> None:
    changed = bytearray(STREAM)
    changed[position] ^= change
    with pytest.raises(DamagedBackup):
        _opened(bytes(changed))


def test_other_key_is_refused() -> None:
    with pytest.raises(DamagedBackup):
        _opened(STREAM, b"x" * 32)
