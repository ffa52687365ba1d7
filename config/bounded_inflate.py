"""Decompress data that is not trusted, in pieces of bounded size."""

import zlib
from collections.abc import Iterator

_STEP = 64 * 1024
"""Bytes that are decompressed at a time."""

ENCODINGS = frozenset({"gzip", "x-gzip", "deflate"})
"""Values of ``Content-Encoding`` that :class:`Inflater` decodes (RFC 9110 §8.4.1)."""


class InvalidCompression(ValueError):
    """The data is not what its encoding says. The message is a noun phrase."""


class Inflater:
    """Decode one gzip or zlib stream. The caller counts what it gets."""

    def __init__(self) -> None:
        # 32: the header says whether it is gzip or zlib.
        self._decoder = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)

    def decoded(self, piece: bytes) -> Iterator[bytes]:
        """Yield what ``piece`` stands for, in bounded steps. Raises InvalidCompression."""
        decoder = self._decoder
        while True:
            if decoder.eof:
                raise InvalidCompression("a compressed body with data after its end")
            try:
                decoded = decoder.decompress(piece, _STEP)
            except zlib.error:
                raise InvalidCompression("a body that is not in its Content-Encoding") from None
            if decoded:
                yield decoded
            piece = decoder.unconsumed_tail
            if decoder.eof:
                if decoder.unused_data:
                    raise InvalidCompression("a compressed body with data after its end")
                return
            if not piece and len(decoded) < _STEP:
                return

    def finish(self) -> None:
        """Raise InvalidCompression if the stream has not ended."""
        if not self._decoder.eof:
            raise InvalidCompression("a compressed body that is truncated")
