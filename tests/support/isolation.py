"""What several test processes on one machine must not do at the same time, or with the same thing.

``make test`` runs several (pytest-xdist): most tests wait for others' processes, not for a core.
"""

import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FIRST_PORT, PORTS_EACH = 12_000, 2_000
"""Each process has ports of its own, below those that the kernel gives to outgoing connections."""


@contextmanager
def alone(what: str) -> Iterator[None]:
    """Hold off other test processes that would do the same (installing packages, say)."""
    with (Path(tempfile.gettempdir()) / f"sekisho-tests-{what}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def free_port() -> int:
    """A loopback port on which nothing listens, and which no other test process will choose."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = FIRST_PORT + number % 10 * PORTS_EACH
    for port in random.sample(range(first, first + PORTS_EACH), 200):
        with socket.socket() as holder:
            try:
                holder.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no port is free")
