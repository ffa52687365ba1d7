"""The file format: headers, records, and the key's wrapping."""

import io
import json
import sys
from typing import Any

import pytest

from proxy.backup.archive import MAGIC, ArchiveWriter, UnusableBackup, read_header, read_records
from proxy.backup.key_wrapping import (
    CommandWrapping,
    KeyWrapping,
    PassphraseWrapping,
    WrongKey,
)
from store.schema import HEAD

PASSPHRASE = PassphraseWrapping("correct horse battery")
_FLIP = (sys.executable, "-c", "import sys; print(sys.stdin.read()[::-1].strip())")
COMMANDS = CommandWrapping(_FLIP, _FLIP)
RECORDS: list[dict[str, Any]] = [{"kind": "a", "text": "ä\ud800"}, {"kind": "b", "n": [1] * 90_000}]


def _archive(wrapping: KeyWrapping) -> bytes:
    output = io.BytesIO()
    writer = ArchiveWriter(output, HEAD, wrapping)
    for one in RECORDS:
        writer.write(one)
    writer.finish()
    return output.getvalue()


@pytest.fixture(scope="module")
def archive() -> bytes:
    return _archive(PASSPHRASE)


@pytest.mark.parametrize("wrapping", [PASSPHRASE, COMMANDS], ids=["passphrase", "command"])
def test_records_are_read_back(wrapping: KeyWrapping) -> None:
    header, records = read_records(io.BytesIO(_archive(wrapping)), wrapping)
    assert list(records) == RECORDS
    assert header.schema == HEAD


def test_wrong_passphrase_and_other_wrapping_are_refused(archive: bytes) -> None:
    with pytest.raises(WrongKey, match="the passphrase is wrong"):
        read_records(io.BytesIO(archive), PassphraseWrapping("another passphrase"))
    with pytest.raises(WrongKey, match="wrapped by a passphrase"):
        read_records(io.BytesIO(archive), COMMANDS)
    with pytest.raises(WrongKey, match="wrapped by a command"):
        read_records(io.BytesIO(_archive(COMMANDS)), PASSPHRASE)


def test_short_passphrase_is_refused() -> None:
    with pytest.raises(WrongKey, match="at least 12 characters"):
        _archive(PassphraseWrapping("short"))


def _with_header(archive: bytes, **values: Any) -> bytes:
    _, text = read_header(io.BytesIO(archive))
    changed = json.dumps(json.loads(text) | values).encode()
    start = len(MAGIC) + 4
    return MAGIC + len(changed).to_bytes(4, "big") + changed + archive[start + len(text) :]


def test_changed_header_makes_the_stream_unreadable(archive: bytes) -> None:
    changed = _with_header(archive, schema="0001")
    header, records = read_records(io.BytesIO(changed), PASSPHRASE)
    assert header.schema == "0001"
    with pytest.raises(UnusableBackup, match="damaged"):
        next(records)


def test_costly_parameters_of_a_header_are_refused(archive: bytes) -> None:
    header, _ = read_header(io.BytesIO(archive))
    for cost in ({"n": 2**20}, {"r": 16}, {"n": "many"}, {"p": 0}, {"p": 16}):
        changed = _with_header(archive, key=header.key | cost)
        with pytest.raises(WrongKey, match="scrypt"):
            read_records(io.BytesIO(changed), PASSPHRASE)


@pytest.mark.parametrize("values", [{"key": []}, {"key": "x"}, {"schema": 22}, {"product": None}])
def test_header_of_wrong_types_is_damaged(archive: bytes, values: dict[str, Any]) -> None:
    with pytest.raises(UnusableBackup, match="header is damaged"):
        read_header(io.BytesIO(_with_header(archive, **values)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04", "no backup"),
        (MAGIC + b"\x00\x00\x00\x02{}", "header is damaged"),
        (MAGIC + b"\xff\xff\xff\xff[", "header is damaged"),
        (MAGIC + b'\x00\x00\x00\x0c{"format":9}', "format 9, and this version reads 1"),
    ],
)
def test_other_files_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(UnusableBackup, match=message):
        read_header(io.BytesIO(content))


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ((), "backup.wrap_command is not configured"),
        (("/no/such/program",), "can't be run"),
        (("false",), "failed with exit code 1"),
        (("true",), "printed nothing"),
    ],
)
def test_failing_command_is_named(command: tuple[str, ...], message: str) -> None:
    with pytest.raises(WrongKey, match=message):
        CommandWrapping(command).wrap(b"k" * 32)


def test_command_that_prints_another_key_is_refused() -> None:
    wrapped = COMMANDS.wrap(b"k" * 32)
    with pytest.raises(WrongKey, match="something else"):
        CommandWrapping(unwrap_command=("echo", "no key")).unwrap(wrapped)
