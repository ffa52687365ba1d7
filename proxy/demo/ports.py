"""Free ports for the demo's servers."""

import socket


def free_port(wanted: int = 0) -> int:
    """Return a free loopback port: ``wanted`` if it is free. Raises OSError."""
    for port in (wanted, 0):
        with socket.socket() as holder:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                holder.bind(("127.0.0.1", port))
            except OSError:
                continue
            found: int = holder.getsockname()[1]
            return found
    raise OSError("no free port on 127.0.0.1")
