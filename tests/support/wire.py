"""A client that sends the very bytes it is given, and reads answers with no opinion of its own."""

import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from json import loads
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came."""

    status: int
    head: bytes
    body: bytes

    def lines(self, name: bytes) -> list[bytes]:
        """The values of a header, in order."""
        found = []
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b": ")
            if key.lower() == name.lower():
                found.append(value)
        return found

    def json(self) -> Any:
        """The body as JSON."""
        return loads(self.body)


class Wire:
    """A TLS connection to a port on loopback."""

    def __init__(self, port: int, ca_file: Path, *, timeout: float = 10) -> None:
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

    def reply(self) -> Reply:
        """The next answer. Raises ConnectionError where the connection ends before it does."""
        head = self._until(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        lower = head.lower()
        if status == 101 or status in {204, 304}:
            return Reply(status, head, b"")
        if b"\r\ntransfer-encoding: chunked\r\n" in lower:
            return Reply(status, head, b"".join(self._chunks()))
        _, found, length = lower.partition(b"\r\ncontent-length: ")
        if not found:
            return Reply(status, head, self.rest())
        return Reply(status, head, self.exactly(int(length.split(b"\r\n")[0])))

    def status(self) -> int:
        """The status of the next answer, whose body may or may not be there (HEAD)."""
        return int(self._until(b"\r\n\r\n").split(b" ", 2)[1])

    def rest(self) -> bytes:
        """Everything until the other side closes."""
        while self._read():
            pass
        found, self._buffer = self._buffer, b""
        return found

    def exactly(self, size: int) -> bytes:
        """So many bytes."""
        while len(self._buffer) < size:
            if not self._read():
                raise ConnectionError("the connection ended in a body")
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found

    def closed(self) -> bool:
        """Whether the other side closes without a further word."""
        return self.rest() == b""

    def _chunks(self) -> Iterable[bytes]:
        while size := int(self._until(b"\r\n").partition(b";")[0], 16):
            yield self.exactly(size)
            self.exactly(2)
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
