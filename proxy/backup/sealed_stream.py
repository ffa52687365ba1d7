"""An encrypted stream of any length: STREAM (Hoang, Reyhanitabar, Rogaway, Vizár, 2015).

Each chunk is sealed with AES-256-GCM under a nonce of its number and a flag for the last one. A
chunk that is missing, repeated, moved, or changed can't be opened, and neither can a stream that
was cut off, because no chunk before the end has the flag. The format of age is the same with
another cipher. The key is used for one stream only.
"""

from collections.abc import Iterator
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CHUNK_BYTES = 64 * 1024
"""Plain bytes of each chunk but the last one."""

_TAG_BYTES = 16
_COUNTER_BYTES = 11


class DamagedBackup(ValueError):
    """The stream was changed, reordered, or cut off."""


class SealingWriter:
    """Encrypts what is written to it. Call :meth:`finish` at the end; without it, it is invalid."""

    def __init__(self, output: BinaryIO, key: bytes) -> None:
        self._output = output
        self._cipher = AESGCM(key)
        self._pending = bytearray()
        self._number = 0

    def write(self, data: bytes) -> None:
        """Encrypt data."""
        self._pending += data
        while len(self._pending) > CHUNK_BYTES:  # the last chunk is not known before the end
            self._seal(bytes(self._pending[:CHUNK_BYTES]), last=False)
            del self._pending[:CHUNK_BYTES]

    def finish(self) -> None:
        """Write the last chunk."""
        self._seal(bytes(self._pending), last=True)
        self._pending.clear()

    def _seal(self, plain: bytes, *, last: bool) -> None:
        self._output.write(self._cipher.encrypt(_nonce(self._number, last=last), plain, None))
        self._number += 1


def opened_chunks(source: BinaryIO, key: bytes) -> Iterator[bytes]:
    """Yield the plain chunks. Raises DamagedBackup at the first chunk that is not genuine.

    What was yielded before is genuine, but complete only if the iteration ends without an error.
    """
    cipher = AESGCM(key)
    sealed = source.read(CHUNK_BYTES + _TAG_BYTES)
    number = 0
    while True:
        following = source.read(CHUNK_BYTES + _TAG_BYTES)
        try:
            yield cipher.decrypt(_nonce(number, last=not following), sealed, None)
        except InvalidTag:
            raise DamagedBackup(
                "the backup is damaged: it was changed or cut off; use another copy"
            ) from None
        if not following:
            return
        sealed = following
        number += 1


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(_COUNTER_BYTES, "big") + bytes([last])
