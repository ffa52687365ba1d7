"""A fake API server that records every received byte and sends scripted responses.

It serves TLS with a certificate from its own CA, each connection in a thread. A minimal parser
splits the bytes into requests. Bytes that are no request stay in the recording.
"""

import json
import re
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from proxy.transport.certificates import create_authority, issue_server

_LENGTH = re.compile(rb"\r\nContent-Length: ([0-9]+)\r\n")
_CHUNKED = b"\r\nTransfer-Encoding: chunked\r\n"
_REVIEW = re.compile(rb"POST \S*/(?:self)?subjectaccessreviews ")


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request as received. ``body`` is raw, with chunks and trailers."""

    connection: int
    head: bytes
    body: bytes

    @property
    def target(self) -> bytes:
        """Return the request target."""
        return self.head.split(b" ", 2)[1]

    @property
    def raw(self) -> bytes:
        """Return head and body."""
        return self.head + self.body


def json_response(status: int, body: object, *lines: bytes) -> bytes:
    """Return a raw HTTP response with a JSON body."""
    raw = json.dumps(body).encode()
    head = [b"HTTP/1.1 %d Scripted" % status, b"Content-Type: application/json", *lines]
    return b"\r\n".join([*head, b"Content-Length: %d" % len(raw), b"", raw])


Response = bytes | Callable[[ssl.SSLSocket], None]
"""Raw bytes to send, or a function that writes to the connection and ends it."""


@dataclass
class RecordingUpstream:
    """A running upstream. ``responses`` are by target prefix.

    ``allowed`` contains (user, resource, name) that access reviews allow. ``received_bytes`` has
    all bytes by connection, including those of incomplete requests.
    """

    folder: Path
    token: str
    allowed: set[tuple[str, str, str]] = field(default_factory=set)
    responses: dict[bytes, Response] = field(default_factory=dict)
    recorded: list[RecordedRequest] = field(default_factory=list)
    received_bytes: dict[int, bytearray] = field(default_factory=dict)
    ended_connections: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        now = datetime.now(UTC)
        authority = create_authority("recording", lifetime=timedelta(days=2), now=now)
        pair = issue_server(
            authority,
            common_name="recording",
            names=["127.0.0.1", "localhost"],
            lifetime=timedelta(days=1),
            now=now,
        )
        self.ca_file = self.folder / "ca.crt"
        self.ca_file.write_bytes(authority.certificate_pem)
        self.token_file = self.folder / "token"
        self.token_file.write_text(self.token)
        both = self.folder / "server.pem"
        both.write_bytes(pair.certificate_pem + pair.key_pem)
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(both)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._changed = threading.Condition()
        self._count = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    @property
    def url(self) -> str:
        """Return the base URL."""
        return f"https://127.0.0.1:{self.port}"

    def reset(self) -> None:
        """Clear recording, responses and permissions."""
        self.clear_recording()
        with self._changed:
            self.responses.clear()
            self.allowed.clear()

    def clear_recording(self) -> None:
        """Clear the recording."""
        with self._changed:
            self.recorded.clear()
            self.received_bytes.clear()
            self.ended_connections.clear()

    def requests(self) -> list[RecordedRequest]:
        """Return the received requests without access reviews."""
        with self._changed:
            return [one for one in self.recorded if not _REVIEW.match(one.head)]

    def reviews(self) -> list[RecordedRequest]:
        """Return the received access reviews."""
        with self._changed:
            return [one for one in self.recorded if _REVIEW.match(one.head)]

    def wait_for(self, count: int) -> list[RecordedRequest]:
        """Wait for ``count`` requests, without access reviews, and return them."""

        def enough() -> bool:
            return sum(not _REVIEW.match(one.head) for one in self.recorded) >= count

        with self._changed:
            assert self._changed.wait_for(enough, 20), f"only {len(self.recorded)} requests arrived"
        return self.requests()

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            self._count += 1
            threading.Thread(target=self._serve, args=(plain, self._count), daemon=True).start()

    def _serve(self, plain: socket.socket, number: int) -> None:
        try:
            with self._context.wrap_socket(plain, server_side=True) as connection:
                _Connection(self, connection, number).run()
        except OSError:
            pass

    def record_bytes(self, number: int, data: bytes) -> None:
        """Record bytes of a connection."""
        with self._changed:
            self.received_bytes.setdefault(number, bytearray()).extend(data)
            self._changed.notify_all()

    def record_end(self, number: int) -> None:
        """Record the end of a connection, possibly within a request."""
        with self._changed:
            self.ended_connections.add(number)
            self._changed.notify_all()

    def truncated_request(self) -> bytes:
        """Return the bytes of the first connection that ended within a request."""

        def incomplete() -> list[int]:
            whole = {one.connection for one in self.recorded}
            return [
                one
                for one in self.ended_connections
                if one in self.received_bytes and one not in whole
            ]

        with self._changed:
            assert self._changed.wait_for(incomplete, 20), "no request was truncated"
            return bytes(self.received_bytes[incomplete()[0]])

    def wait_for_bytes(self, expected: bytes) -> None:
        """Wait until a connection has received exactly these bytes."""
        with self._changed:
            assert self._changed.wait_for(lambda: expected in self.received_bytes.values(), 20), (
                self.received_bytes
            )

    def record_request(self, request: RecordedRequest) -> Response:
        """Record a complete request; return the response to it."""
        with self._changed:
            self.recorded.append(request)
            self._changed.notify_all()
            return self._response_for(request)

    def _response_for(self, request: RecordedRequest) -> Response:
        target = request.target
        for beginning in sorted(self.responses, key=len, reverse=True):
            if target.startswith(beginning):
                return self.responses[beginning]
        if target == b"/version":
            return json_response(200, {"gitVersion": "v1.36.0", "major": "1", "minor": "36"})
        if _REVIEW.match(request.head):
            return self._review(json.loads(request.body))
        return json_response(200, {"kind": "Recorded"})

    def _review(self, review: dict[str, dict[str, dict[str, str]]]) -> bytes:
        spec = review["spec"]
        attributes = spec["resourceAttributes"]
        subject = (
            str(spec.get("user", "")),
            attributes.get("resource", ""),
            attributes.get("name", ""),
        )
        return json_response(201, {**review, "status": {"allowed": subject in self.allowed}})


class _Connection:
    """One connection, which is read request by request."""

    def __init__(self, upstream: RecordingUpstream, connection: ssl.SSLSocket, number: int) -> None:
        self._upstream = upstream
        self._connection = connection
        self._number = number
        self._buffer = b""

    def run(self) -> None:
        try:
            while True:
                head = self._until(b"\r\n\r\n")
                response = self._upstream.record_request(
                    RecordedRequest(self._number, head, self._body(head))
                )
                if callable(response):
                    return response(self._connection)
                self._connection.sendall(response)
        except EOFError:
            return self._upstream.record_end(self._number)

    def _body(self, head: bytes) -> bytes:
        length = _LENGTH.search(head)
        if length:
            return self._exactly(int(length[1]))
        if _CHUNKED not in head:
            return b""
        body = b""
        while True:
            size = self._until(b"\r\n")
            body += size
            if int(size, 16) == 0:
                break
            body += self._exactly(int(size, 16) + 2)
        while (line := self._until(b"\r\n")) != b"\r\n":
            body += line
        return body + line

    def _until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            self._read()
        found, _, self._buffer = self._buffer.partition(end)
        return found + end

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._read()
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found

    def _read(self) -> None:
        data = self._connection.recv(65536)
        if not data:
            raise EOFError
        self._upstream.record_bytes(self._number, data)
        self._buffer += data
