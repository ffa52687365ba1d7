"""The file of a backup: a header that can be read without a key, and encrypted records.

Layout: a magic line, the header's length (4 bytes, big-endian), the header (JSON), and the stream
(:mod:`proxy.backup.sealed_stream`) of records. A record is its length (4 bytes) and JSON,
compressed by zlib. The stream's key is derived from the data key and the header, so a header that
was changed makes the stream unreadable.
"""

import hashlib
import importlib.metadata
import json
import secrets
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from config.bounded_json import load_json
from config.errors import UserError
from proxy.backup.key_wrapping import KEY_BYTES, KeyWrapping
from proxy.backup.sealed_stream import DamagedBackup, SealingWriter, opened_chunks

FORMAT = 1
MAGIC = b"SEKISHO-BACKUP\n"
MAX_HEADER = 256 * 1024
MAX_RECORD = 64 * 1024 * 1024
"""Bytes of a record, before and after decompression."""

Record = dict[str, Any]


class UnusableBackup(UserError):
    """The file is no backup, or one that this version can't read."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a backup shows without its key. ``key`` is the wrapped data key."""

    schema: str
    created_at: str
    product: str
    key: dict[str, Any]
    format: int = FORMAT

    def __post_init__(self) -> None:
        wanted = (str, str, str, dict)
        values: tuple[object, ...] = (self.schema, self.created_at, self.product, self.key)
        if not all(map(isinstance, values, wanted)):
            raise TypeError("a value of the header has the wrong type")


class ArchiveWriter:
    """Writes a backup. Call :meth:`finish` at the end."""

    def __init__(self, output: BinaryIO, schema: str, wrapping: KeyWrapping) -> None:
        data_key = secrets.token_bytes(KEY_BYTES)
        self.header = Header(
            schema,
            datetime.now(UTC).isoformat(timespec="seconds"),
            importlib.metadata.version("sekisho"),
            wrapping.wrap(data_key),
        )
        text = json.dumps(asdict(self.header)).encode()
        output.write(MAGIC + len(text).to_bytes(4, "big") + text)
        self._stream = SealingWriter(output, _stream_key(data_key, text))

    def write(self, record: Record) -> None:
        """Write a record. Raises UnusableBackup if it is too large."""
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", "surrogatepass"
        )
        packed = zlib.compress(text, 1)
        if max(len(text), len(packed)) > MAX_RECORD:
            raise UnusableBackup(f"a record has more than {MAX_RECORD >> 20} MiB")
        self._stream.write(len(packed).to_bytes(4, "big") + packed)

    def finish(self) -> None:
        """Write the end of the stream."""
        self._stream.finish()


def read_header(source: BinaryIO) -> tuple[Header, bytes]:
    """Return the header, and its bytes. Raises UnusableBackup."""
    if source.read(len(MAGIC)) != MAGIC:
        raise UnusableBackup("the file is no backup of Sekisho")
    length = int.from_bytes(source.read(4), "big")
    text = source.read(min(length, MAX_HEADER))
    try:
        values = load_json(text)
        number = values["format"]
        if number == FORMAT:
            return Header(**values), text
    except (ValueError, TypeError, KeyError):
        raise UnusableBackup("the backup's header is damaged; use another copy") from None
    raise UnusableBackup(
        f"the backup has format {number}, and this version reads {FORMAT}: "
        "use the version of Sekisho that wrote it, or a newer one"
    )


def read_records(source: BinaryIO, wrapping: KeyWrapping) -> tuple[Header, Iterator[Record]]:
    """Return the header and the records.

    Raises:
        WrongKey: the data key can't be unwrapped.
        UnusableBackup: the file is no backup, or, while the records are read, it is damaged.
    """
    header, text = read_header(source)
    key = _stream_key(wrapping.unwrap(header.key), text)
    return header, _records(source, key)


def _records(source: BinaryIO, key: bytes) -> Iterator[Record]:
    """Yield records. Nothing is complete before the iteration ends without an error."""
    pending = bytearray()
    try:
        for chunk in opened_chunks(source, key):
            pending += chunk
            while len(pending) >= 4 and len(pending) >= 4 + _length(pending):
                end = 4 + _length(pending)
                packed = bytes(pending[4:end])
                del pending[:end]
                yield _unpacked(packed)
    except DamagedBackup as exc:
        raise UnusableBackup(str(exc)) from None
    if pending:
        raise UnusableBackup("the backup ends within a record")


def _length(pending: bytearray) -> int:
    length = int.from_bytes(pending[:4], "big")
    if length > MAX_RECORD:
        raise UnusableBackup("a record of the backup is too large")
    return length


def _unpacked(packed: bytes) -> Record:
    decoder = zlib.decompressobj()
    try:
        text = decoder.decompress(packed, MAX_RECORD)
        if not decoder.eof:
            raise ValueError("too large, or cut off")
        record = load_json(text.decode("utf-8", "surrogatepass"))
    except (zlib.error, ValueError):
        raise UnusableBackup("a record of the backup can't be read") from None
    if not isinstance(record, dict):
        raise UnusableBackup("a record of the backup is no object")
    return record


def _stream_key(data_key: bytes, header: bytes) -> bytes:
    info = b"sekisho backup stream" + hashlib.sha256(header).digest()
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(data_key)
