"""A stand-in for an API server that keeps every byte it gets, and says what a test tells it to.

It serves TLS with a certificate of its own authority, each connection in a thread. What it reads
is split into requests by the plainest of parsers; what isn't a request stays in the recording.
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

from proxy.certificates import create_authority, issue_server

_LENGTH = re.compile(rb"\r\nContent-Length: ([0-9]+)\r\n")
_CHUNKED = b"\r\nTransfer-Encoding: chunked\r\n"
_REVIEW = re.compile(rb"POST \S*/(?:self)?subjectaccessreviews ")


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived. ``body`` is raw, chunks and trailers included."""

    connection: int
    head: bytes
    body: bytes

    @property
    def target(self) -> bytes:
        """What was asked for."""
        return self.head.split(b" ", 2)[1]

    @property
    def bytes(self) -> bytes:
        """All of it."""
        return self.head + self.body


def json_answer(status: int, body: object, *lines: bytes) -> bytes:
    """An answer in JSON."""
    raw = json.dumps(body).encode()
    head = [b"HTTP/1.1 %d Whatever" % status, b"Content-Type: application/json", *lines]
    return b"\r\n".join([*head, b"Content-Length: %d" % len(raw), b"", raw])


Answer = bytes | Callable[[ssl.SSLSocket], None]
"""What is sent back, or what does so itself and ends the connection."""


@dataclass
class RecordingUpstream:
    """A running upstream. ``answers`` are by the beginning of a target; ``allowed`` by whom asked.

    ``raw`` is everything that arrived, by connection; what never became a request, too.
    """

    folder: Path
    token: str
    allowed: set[tuple[str, str, str]] = field(default_factory=set)
    answers: dict[bytes, Answer] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    raw: dict[int, bytearray] = field(default_factory=dict)
    ends: set[int] = field(default_factory=set)

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
        """Where it is."""
        return f"https://127.0.0.1:{self.port}"

    def clear(self) -> None:
        """Forget what came, and what was to be said."""
        self.forget()
        with self._changed:
            self.answers.clear()
            self.allowed.clear()

    def forget(self) -> None:
        """Forget what came."""
        with self._changed:
            self.seen.clear()
            self.raw.clear()
            self.ends.clear()

    def asked(self) -> list[Seen]:
        """What came, but for reviews."""
        with self._changed:
            return [one for one in self.seen if not _REVIEW.match(one.head)]

    def reviews(self) -> list[Seen]:
        """The access reviews that came."""
        with self._changed:
            return [one for one in self.seen if _REVIEW.match(one.head)]

    def wait_for(self, count: int) -> list[Seen]:
        """What came, once there are so many requests (reviews not counted)."""

        def there() -> bool:
            return sum(not _REVIEW.match(one.head) for one in self.seen) >= count

        with self._changed:
            assert self._changed.wait_for(there, 20), f"only {len(self.seen)} requests arrived"
        return self.asked()

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

    def received(self, number: int, data: bytes) -> None:
        """Keep what a connection has read."""
        with self._changed:
            self.raw.setdefault(number, bytearray()).extend(data)
            self._changed.notify_all()

    def ended(self, number: int) -> None:
        """A connection has ended, maybe in the middle of a request."""
        with self._changed:
            self.ends.add(number)
            self._changed.notify_all()

    def broken_off(self) -> bytes:
        """What arrived on the first connection that ended in the middle of a request."""

        def begun() -> list[int]:
            whole = {one.connection for one in self.seen}
            return [one for one in self.ends if one in self.raw and one not in whole]

        with self._changed:
            assert self._changed.wait_for(begun, 20), "no request was broken off"
            return bytes(self.raw[begun()[0]])

    def wait_for_bytes(self, expected: bytes) -> None:
        """Return once a connection has got these bytes and no others."""
        with self._changed:
            assert self._changed.wait_for(lambda: expected in self.raw.values(), 20), self.raw

    def arrived(self, request: Seen) -> Answer:
        """Keep a whole request; the answer to it."""
        with self._changed:
            self.seen.append(request)
            self._changed.notify_all()
            return self._answer(request)

    def _answer(self, request: Seen) -> Answer:
        target = request.target
        for beginning in sorted(self.answers, key=len, reverse=True):
            if target.startswith(beginning):
                return self.answers[beginning]
        if target == b"/version":
            return json_answer(200, {"gitVersion": "v1.36.0", "major": "1", "minor": "36"})
        if _REVIEW.match(request.head):
            return self._review(json.loads(request.body))
        return json_answer(200, {"kind": "Recorded"})

    def _review(self, review: dict[str, dict[str, dict[str, str]]]) -> bytes:
        spec = review["spec"]
        what = spec["resourceAttributes"]
        asked = (str(spec.get("user", "")), what.get("resource", ""), what.get("name", ""))
        return json_answer(201, {**review, "status": {"allowed": asked in self.allowed}})


class _Connection:
    """One connection, read request by request."""

    def __init__(self, upstream: RecordingUpstream, connection: ssl.SSLSocket, number: int) -> None:
        self._upstream = upstream
        self._connection = connection
        self._number = number
        self._buffer = b""

    def run(self) -> None:
        try:
            while True:
                head = self._until(b"\r\n\r\n")
                answer = self._upstream.arrived(Seen(self._number, head, self._body(head)))
                if callable(answer):
                    return answer(self._connection)
                self._connection.sendall(answer)
        except EOFError:
            return self._upstream.ended(self._number)

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
        self._upstream.received(self._number, data)
        self._buffer += data
