"""Frames of yamux: a header of 12 bytes, and the payload of data frames."""

import struct
from collections.abc import Iterator
from enum import IntEnum, IntFlag
from typing import NamedTuple

_HEADER = struct.Struct(">BBHII")
HEADER_BYTES = _HEADER.size
VERSION = 0


class ProtocolError(Exception):
    """The peer violated the protocol. The message says how, without any of its data."""


class FrameType(IntEnum):
    """The type of a frame."""

    DATA = 0
    WINDOW_UPDATE = 1
    PING = 2
    GO_AWAY = 3


class Flags(IntFlag):
    """The flags of a frame: ``SYN`` opens a stream, ``FIN`` half-closes it, ``RST`` ends it."""

    NONE = 0
    SYN = 1
    ACK = 2
    FIN = 4
    RST = 8


_ALL_FLAGS = 0xF


class GoAwayCode(IntEnum):
    """Why a session ends."""

    NORMAL = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2


class Header(NamedTuple):
    """The header of a frame.

    ``length`` is the number of bytes that follow in a data frame, the increment in a window update,
    the opaque value of a ping, and the code of a go-away. ``stream_id`` 0 is the session.
    """

    type: FrameType
    flags: Flags
    stream_id: int
    length: int


def encode_header(header: Header) -> bytes:
    """Return the 12 bytes of a header."""
    return _HEADER.pack(VERSION, header.type, header.flags, header.stream_id, header.length)


def decode_header(data: bytes | bytearray | memoryview) -> Header:
    """Return the header in 12 bytes. Raises ProtocolError."""
    version, kind, flags, stream_id, length = _HEADER.unpack(data)
    if version != VERSION:
        raise ProtocolError(f"the frame has version {version}")
    if kind > FrameType.GO_AWAY:
        raise ProtocolError(f"the frame has the unknown type {kind}")
    if flags > _ALL_FLAGS:
        raise ProtocolError(f"the frame has unknown flags {flags:#x}")
    of_session = kind in (FrameType.PING, FrameType.GO_AWAY)
    if of_session != (stream_id == 0):
        raise ProtocolError(f"a frame of type {kind} names stream {stream_id}")
    return Header(FrameType(kind), Flags(flags), stream_id, length)


class FrameReader:
    """Split a stream of bytes into headers and pieces of payload.

    It holds at most an incomplete header: the payload of a data frame is passed on as it arrives,
    so that a large frame costs no memory. ``frames`` is the number of frames that have begun.
    """

    def __init__(self) -> None:
        self.frames = 0
        self._partial = bytearray()
        self._left = 0

    def read(self, data: bytes | memoryview) -> Iterator[Header | memoryview]:
        """Yield headers, and after that of a data frame the pieces of its payload.

        Raises:
            ProtocolError: after the frames that precede the error.
        """
        view = memoryview(data)
        while view:
            if self._left:
                piece = view[: self._left]
                self._left -= len(piece)
                view = view[len(piece) :]
                yield piece
                continue
            wanted = HEADER_BYTES - len(self._partial)
            self._partial += view[:wanted]
            view = view[wanted:]
            if len(self._partial) < HEADER_BYTES:
                return
            header = decode_header(self._partial)
            self._partial.clear()
            self.frames += 1
            if header.type is FrameType.DATA:
                self._left = header.length
            yield header
