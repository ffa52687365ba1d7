"""The bytes of one frame."""

from agent.yamux.frames import Flags, FrameType, Header, encode_header


def frame(kind: FrameType, flags: Flags, stream_id: int, length: int = 0) -> bytes:
    return encode_header(Header(kind, flags, stream_id, length))
