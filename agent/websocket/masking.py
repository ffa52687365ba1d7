"""Mask the payload of WebSocket frames (RFC 6455 §5.3).

A client XORs its payload with a key that cannot be predicted, so that a page in a browser cannot
choose the bytes that an intermediary sees. Here it protects nothing, because tunnels are inside
TLS, but the RFC requires it of every client, and a gateway in between may check it.
"""

import os
from collections.abc import Callable, Sequence

KEY_BYTES = 4


def mask_in_python(data: bytes | bytearray | memoryview, mask: bytes | bytearray) -> bytes:
    """Return ``data`` XOR the repeated ``mask``, without a C extension."""
    # One operation on large numbers: a loop over bytes would take a hundred times as long.
    size = len(data)
    repeated = (mask * (size // KEY_BYTES + 1))[:size]
    pad = int.from_bytes(repeated, "little")
    return (int.from_bytes(data, "little") ^ pad).to_bytes(size, "little")


_apply_mask: Callable[[bytes | memoryview, bytes], bytes] = mask_in_python
try:
    from websockets.speedups import apply_mask
except ImportError:
    pass  # There is no wheel for this platform. The result is the same, at forty times the CPU.
else:
    _apply_mask = apply_mask


def new_key() -> bytes:
    """Return a key for one frame."""
    return os.urandom(KEY_BYTES)


def mask(data: bytes | memoryview, key: bytes) -> bytes:
    """Return ``data`` XOR the repeated ``key`` of four bytes."""
    return _apply_mask(data, key)


def turned(key: bytes, size: int) -> bytes:
    """Return the key for the bytes that follow ``size`` masked ones."""
    turn = size % KEY_BYTES
    return key[turn:] + key[:turn] if turn else key


def mask_parts(parts: Sequence[bytes | memoryview], key: bytes) -> list[bytes]:
    """Return each part masked, as parts of one payload."""
    masked = []
    for part in parts:
        masked.append(_apply_mask(part, key))
        key = turned(key, len(part))
    return masked
