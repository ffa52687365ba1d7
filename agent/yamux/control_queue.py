"""Frames without payload that wait to be sent, and the bound of those that the peer causes."""

from collections import deque

from agent.yamux.frames import HEADER_BYTES, Flags, FrameType, Header, ProtocolError, encode_header


class ControlQueue:
    """A queue of encoded headers.

    Frames of this side's own accord are bounded by what it does. Frames that answer the peer are
    bounded by ``most_answers`` bytes until the queue is empty again.
    """

    def __init__(self, most_answers: int) -> None:
        self._most_answers = most_answers
        self._answers = 0
        self._frames: deque[bytes] = deque()

    def __bool__(self) -> bool:
        return bool(self._frames)

    def add(self, kind: FrameType, flags: Flags, stream_id: int, length: int = 0) -> None:
        """Queue a frame."""
        self._frames.append(encode_header(Header(kind, flags, stream_id, length)))

    def answer(self, kind: FrameType, flags: Flags, stream_id: int, length: int = 0) -> None:
        """Queue a frame that the peer caused. Raises ProtocolError if it causes too many."""
        self._answers += HEADER_BYTES
        if self._answers > self._most_answers:
            raise ProtocolError("a flood of frames that need an answer")
        self.add(kind, flags, stream_id, length)

    def take(self, most: int, output: list[bytes | memoryview]) -> int:
        """Move about ``most`` bytes to ``output``. Return their number."""
        taken = 0
        while self._frames and taken < most:
            output.append(self._frames.popleft())
            taken += HEADER_BYTES
        if not self._frames:
            self._answers = 0
        return taken
