"""A scripted LDAP server for responses that no real directory sends.

It is a TCP server on loopback that reads LDAP requests (RFC 4511) and writes the bytes that the
script returns. Helpers here build valid responses in BER.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

BIND, UNBIND, SEARCH = 0x60, 0x42, 0x63


@dataclass(frozen=True)
class Request:
    """A request: message ID, operation (the protocolOp's tag), and all bytes."""

    number: int
    operation: int
    raw: bytes

    def bind_response(self, code: int = 0, message: bytes = b"") -> bytes:
        """Return a BindResponse."""
        return self._message(0x61, _result(code, message))

    def search_done(self, code: int = 0, message: bytes = b"") -> bytes:
        """Return a SearchResultDone."""
        return self._message(0x65, _result(code, message))

    def entry(self, dn: bytes, **attributes: list[bytes]) -> bytes:
        """Return a SearchResultEntry."""
        pairs = b"".join(
            ber(0x30, ber(4, name.encode()), ber(0x31, *(ber(4, one) for one in values)))
            for name, values in attributes.items()
        )
        return self._message(0x64, ber(4, dn) + ber(0x30, pairs))

    def raw_entry(self, dn: bytes, attributes: dict[str, list[bytes]]) -> bytes:
        """Return a SearchResultEntry with attribute names that are no Python identifiers."""
        return self.entry(dn, **attributes)

    def _message(self, tag: int, content: bytes) -> bytes:
        return message(self.number, tag, content)


Script = Callable[[Request], bytes | None]
"""Returns the response bytes, None for no response, or b"" to close the connection."""


@dataclass
class ScriptedDirectory:
    """A running server. Counts ``connections`` and records ``requests`` in order."""

    port: int
    connections: int = 0
    requests: list[Request] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Return the URL."""
        return f"ldap://127.0.0.1:{self.port}"


def ber(tag: int, *contents: bytes) -> bytes:
    """Return a BER element with definite length."""
    content = b"".join(contents)
    if len(content) < 128:
        return bytes([tag, len(content)]) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def message(number: int, tag: int, content: bytes) -> bytes:
    """Return an LDAPMessage."""
    encoded = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return ber(0x30, ber(2, encoded), ber(tag, content))


def _result(code: int, text: bytes) -> bytes:
    return ber(0x0A, bytes([code])) + ber(4) + ber(4, text)


@contextmanager
def scripted(script: Script) -> Iterator[ScriptedDirectory]:
    """Run a scripted server inside the ``with`` block."""
    listener = socket.create_server(("127.0.0.1", 0))
    made = ScriptedDirectory(listener.getsockname()[1])
    peers: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            made.connections += 1
            peers.append(peer)
            threading.Thread(target=_serve, args=(peer, script, made), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield made
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for peer in peers:
            peer.close()


@contextmanager
def silent_server() -> Iterator[int]:
    """Run a server that accepts connections but never reads or writes; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        yield port


def _serve(peer: socket.socket, script: Script, made: ScriptedDirectory) -> None:
    with peer:
        try:
            while request := _read(peer):
                made.requests.append(request)
                if request.operation == UNBIND:
                    return
                response = script(request)
                if response == b"":
                    return
                if response is not None:
                    peer.sendall(response)
        except OSError:
            return


def _read(peer: socket.socket) -> Request | None:
    head = _exactly(peer, 2)
    if head is None:
        return None
    length = head[1]
    if length & 0x80:
        data = _exactly(peer, length & 0x7F) or b""
        head += data
        length = int.from_bytes(data, "big")
    body = _exactly(peer, length)
    if body is None or len(body) < 4:
        return None
    end = 2 + body[1]
    return Request(int.from_bytes(body[2:end], "big"), body[end], head + body)


def _exactly(peer: socket.socket, count: int) -> bytes | None:
    received = b""
    while len(received) < count:
        data = peer.recv(count - len(received))
        if not data:
            return None
        received += data
    return received
