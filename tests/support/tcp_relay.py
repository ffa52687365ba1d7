"""A TCP relay that counts connections and can close them."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Relay:
    """A relay to loopback ports. ``most`` is the largest number of open connections.

    With several ports it distributes connections in turn, like a load balancer, and skips ports on
    which nothing listens.
    """

    def __init__(self, *targets: int) -> None:
        self._targets = list(targets)
        self._turn = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.most = 0
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Close all connections and refuse new ones."""
        for sock in (self._listener, *self._sockets()):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._listener.close()

    def _sockets(self) -> list[socket.socket]:
        with self._lock:
            return list(self._open)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _connect(self) -> socket.socket:
        """Connect to the next listening target. Raises OSError if there is none."""
        with self._lock:
            self._turn += 1
            first = self._turn % len(self._targets)
        error = OSError("no target")
        for port in self._targets[first:] + self._targets[:first]:
            try:
                return socket.create_connection(("127.0.0.1", port))
            except OSError as exc:
                error = exc
        raise error

    def _serve(self, client: socket.socket) -> None:
        with client, self._connect() as server:
            with self._lock:
                self._open |= {client, server}
                self.most = max(self.most, len(self._open) // 2)
            back = threading.Thread(target=_pass, args=(server, client), daemon=True)
            back.start()
            _pass(client, server)
            back.join()
            with self._lock:
                self._open -= {client, server}


def _pass(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    for sock in (source, sink):
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


@contextmanager
def relay(*targets: int) -> Iterator[Relay]:
    """Run a relay inside the ``with`` block."""
    made = Relay(*targets)
    try:
        yield made
    finally:
        made.cut()
