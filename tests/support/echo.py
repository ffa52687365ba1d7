"""A peer that returns what it received, for connections that are forwarded."""

import socket


def upper_case(listener: socket.socket) -> None:
    """Serve connections: return everything received, in upper case."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.sendall(read_all(connection).upper())


def read_all(connection: socket.socket) -> bytes:
    """Return all bytes until the connection ends."""
    return b"".join(iter(lambda: connection.recv(65536), b""))
