"""A client that sends given bytes unchanged and reads responses without interpretation."""

import socket
import ssl
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from json import loads
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class RawResponse:
    """A response as received."""

    status: int
    head: bytes
    body: bytes

    def header_values(self, name: bytes) -> list[bytes]:
        """Return the values of a header, in order."""
        found = []
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b": ")
            if key.lower() == name.lower():
                found.append(value)
        return found

    def json(self) -> Any:
        """Return the body as JSON."""
        return loads(self.body)


class Wire:
    """A TLS connection to a port on loopback."""

    def __init__(self, port: int, ca_file: Path, *, timeout: float = 60) -> None:
        context = ssl.create_default_context(cafile=str(ca_file))
        plain = socket.create_connection(("127.0.0.1", port), timeout)
        self._socket = context.wrap_socket(plain, server_hostname="127.0.0.1")
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self._socket.sendall(data)

    def shut_down(self) -> None:
        """End the connection, also for a thread that waits for a response."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def read_response(self) -> RawResponse:
        """Read the next response. Raises ConnectionError if the connection ends before."""
        head = self._until(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        lower = head.lower()
        if status == 101 or status in {204, 304}:
            return RawResponse(status, head, b"")
        if b"\r\ntransfer-encoding: chunked\r\n" in lower:
            return RawResponse(status, head, b"".join(self._chunks()))
        _, found, length = lower.partition(b"\r\ncontent-length: ")
        if not found:
            return RawResponse(status, head, self.read_to_end())
        return RawResponse(status, head, self.read_exactly(int(length.split(b"\r\n")[0])))

    def read_status(self) -> int:
        """Read the next response head; return the status. The body may be missing (HEAD)."""
        return int(self._until(b"\r\n\r\n").split(b" ", 2)[1])

    def read_to_end(self) -> bytes:
        """Read all bytes until the server closes the connection."""
        while self._read():
            pass
        found, self._buffer = self._buffer, b""
        return found

    def read_exactly(self, size: int) -> bytes:
        """Read exactly ``size`` bytes. Raises ConnectionError if the connection ends before."""
        while len(self._buffer) < size:
            if not self._read():
                raise ConnectionError("the connection ended in a body")
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found

    def is_closed_silently(self) -> bool:
        """Wait for the end of the connection; return whether no more bytes arrived."""
        return self.read_to_end() == b""

    def _chunks(self) -> Iterable[bytes]:
        while size := int(self._until(b"\r\n").partition(b";")[0], 16):
            yield self.read_exactly(size)
            self.read_exactly(2)
        while self._until(b"\r\n") != b"\r\n":
            pass

    def _until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            if not self._read():
                raise ConnectionError(f"the connection ended after {self._buffer[:200]!r}")
        found, _, self._buffer = self._buffer.partition(end)
        return found + end

    def _read(self) -> bool:
        try:
            data = self._socket.recv(65536)
        except ConnectionError:
            data = b""
        self._buffer += data
        return bool(data)
