"""The first bytes that an agent sends on a stream: whether it is connected to the API server.

One byte, and for a failure a reason in UTF-8 up to the end of the stream. The reason is written by
the agent, so it is text of another party: bounded, and shown on one line.
"""

from enum import IntEnum

MAX_REASON_BYTES = 512


class Status(IntEnum):
    """The outcome of the agent's connection to its API server."""

    CONNECTED = 0
    REFUSED = 1
    TIMEOUT = 2
    LIMIT = 3
    FAILED = 4


class StreamRefusedError(Exception):
    """The agent could not connect. ``status`` says which kind of failure it was."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason or status.name.lower())
        self.status = status


def encode_status(status: Status, reason: str = "") -> bytes:
    """Return the first bytes of a stream."""
    return bytes([status]) + reason.encode()[:MAX_REASON_BYTES]


class StatusReader:
    """Reads the status ahead of the bytes of a stream."""

    def __init__(self) -> None:
        self.status: Status | None = None
        self._reason = bytearray()

    def read(self, data: bytes) -> bytes:
        """Return the part of ``data`` that follows the status. A reason is kept."""
        if self.status is None and data:
            code, data = data[0], data[1:]
            self.status = Status(code) if code in set(Status) else Status.FAILED
        if self.status is Status.CONNECTED or self.status is None:
            return data
        self._reason += data[: MAX_REASON_BYTES - len(self._reason)]
        return b""

    @property
    def error(self) -> StreamRefusedError:
        """Return the failure as an error, with a printable reason."""
        text = self._reason.decode(errors="replace")
        plain = "".join(one if one.isprintable() else " " for one in text)
        return StreamRefusedError(self.status or Status.FAILED, " ".join(plain.split()))
