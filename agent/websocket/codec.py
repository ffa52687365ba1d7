"""Encode and decode the WebSocket frames of a tunnel (RFC 6455 §5).

Extensions are not negotiated, so reserved bits are an error (§5.2). Text messages are refused with
1003 (§7.4.1). A client masks its frames, and a server does not (§5.1, §5.3); the wrong choice is an
error.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from agent.websocket.masking import mask, mask_parts, new_key, turned

MAX_CONTROL_BYTES = 125
"""The largest payload of a control frame (§5.5)."""


class Opcode(IntEnum):
    """The meaning of a frame's payload (§5.2)."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class CloseCode(IntEnum):
    """Why a connection is closed (§7.4.1)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    POLICY_VIOLATION = 1008
    INTERNAL_ERROR = 1011
    TRY_AGAIN_LATER = 1013


class WebSocketError(Exception):
    """The peer violated RFC 6455. ``code`` is the close code to send."""

    def __init__(self, reason: str, code: CloseCode = CloseCode.PROTOCOL_ERROR) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True, slots=True)
class Payload:
    """A part of the stream of bytes. It may be a view of the bytes that were decoded."""

    data: bytes | memoryview


@dataclass(frozen=True, slots=True)
class Ping:
    """The peer expects a pong with the same data."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    """The peer answered a ping, or sent this without one."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """The peer closes. ``code`` is 1005 if it gave none (§7.1.5)."""

    code: int
    reason: str


Frame = Payload | Ping | Pong | Close


def encode(opcode: Opcode, *parts: bytes | memoryview, masked: bool) -> bytes:
    """Return a frame with all ``parts`` as its payload."""
    size, bit = sum(map(len, parts)), 0x80 if masked else 0
    head = bytes([0x80 | opcode])
    if size <= MAX_CONTROL_BYTES:
        head += bytes([bit | size])
    elif size < 1 << 16:
        head += bytes([bit | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([bit | 127]) + size.to_bytes(8, "big")
    if not masked:
        return b"".join((head, *parts))
    key = new_key()
    return b"".join((head, key, *mask_parts(parts, key)))


def encode_close(code: CloseCode, reason: str = "", *, masked: bool) -> bytes:
    """Return a close frame. A reason that is too long is cut."""
    text = reason.encode()[: MAX_CONTROL_BYTES - 2].decode(errors="ignore").encode()
    return encode(Opcode.CLOSE, int(code).to_bytes(2, "big") + text, masked=masked)


class Decoder:
    """Split received bytes into frames. It holds less than one head, or one control frame.

    ``frames`` is the number of frames that have begun.
    """

    def __init__(self, *, masked: bool) -> None:
        """Expect frames with a mask (from a client), or without one."""
        self.frames = 0
        self._masked = masked
        self._head = bytearray()
        self._opcode = Opcode.BINARY
        self._left = 0
        self._in_payload = False
        self._key = b""
        self._control = bytearray()
        self._in_message = False
        self._closed = False

    def decode(self, data: bytes | memoryview) -> Iterator[Frame]:
        """Yield the frames in ``data``. Nothing is read after a close frame (§5.5.1).

        Raises:
            WebSocketError: after the frames that precede the error.
        """
        view, place = memoryview(data), 0
        while place < len(data) and not self._closed:
            if self._in_payload:
                piece = view[place : place + self._left]
                place += len(piece)
                yield from self._read_payload(piece)
            else:
                place += self._read_head(view, place)
            if self._in_payload and not self._left:
                self._in_payload = False
                yield from self._end_control()

    def _read_head(self, data: memoryview, place: int) -> int:
        """Read a part of the head. Return how many bytes were taken."""
        taken = 0
        while taken < len(data) - place:
            missing = self._missing()
            part = data[place + taken : place + taken + missing]
            self._head += part
            taken += len(part)
            if not self._missing():
                self._begin(bytes(self._head))
                self._head.clear()
                self.frames += 1
                break
        return taken

    def _missing(self) -> int:
        """Return how many bytes of the head are missing, as far as is known."""
        head = self._head
        if len(head) < 2:
            return 2 - len(head)
        size = {126: 2, 127: 8}.get(head[1] & 0x7F, 0)
        return 2 + size + (4 if head[1] & 0x80 else 0) - len(head)

    def _begin(self, head: bytes) -> None:
        """Check a complete head, and set what follows it."""
        first, second = head[0], head[1]
        final, masked, short = bool(first & 0x80), bool(second & 0x80), second & 0x7F
        if first & 0x70:
            raise WebSocketError("a reserved bit is set")
        try:
            opcode = Opcode(first & 0x0F)
        except ValueError:
            raise WebSocketError(f"the frame has the unknown opcode {first & 0x0F}") from None
        if masked != self._masked:
            raise WebSocketError("the frame is masked" if masked else "the frame has no mask")
        size = short if short < 126 else int.from_bytes(head[2 : 4 if short == 126 else 10], "big")
        if size >> 63:
            raise WebSocketError("the frame has a negative length")
        if opcode >= Opcode.CLOSE:
            if not final or size > MAX_CONTROL_BYTES:
                raise WebSocketError("a control frame is fragmented or too long")
        else:
            self._begin_data(opcode, final=final)
        self._opcode, self._left, self._in_payload = opcode, size, True
        self._key = head[-4:] if masked else b""

    def _begin_data(self, opcode: Opcode, *, final: bool) -> None:
        if opcode is Opcode.TEXT:
            raise WebSocketError("text is not accepted", CloseCode.UNSUPPORTED_DATA)
        if (opcode is Opcode.CONTINUATION) != self._in_message:
            raise WebSocketError("a message is continued that has not begun, or not finished")
        self._in_message = not final

    def _read_payload(self, piece: memoryview) -> Iterator[Frame]:
        self._left -= len(piece)
        plain: bytes | memoryview = piece
        if self._key:
            plain = mask(piece, self._key)
            self._key = turned(self._key, len(piece))
        if self._opcode < Opcode.CLOSE:
            yield Payload(plain)
        else:
            self._control += plain

    def _end_control(self) -> Iterator[Frame]:
        data = bytes(self._control)
        self._control.clear()
        if self._opcode < Opcode.CLOSE:
            return
        if self._opcode is Opcode.PING:
            yield Ping(data)
        elif self._opcode is Opcode.PONG:
            yield Pong(data)
        else:
            self._closed = True
            yield _close(data)


def _close(data: bytes) -> Close:
    if not data:
        return Close(1005, "")
    if len(data) == 1:
        raise WebSocketError("a close frame has half a code")
    try:
        return Close(int.from_bytes(data[:2], "big"), data[2:].decode())
    except UnicodeDecodeError:
        raise WebSocketError("the reason of a close frame is not UTF-8") from None
