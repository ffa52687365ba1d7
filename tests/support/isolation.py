"""Locks and separate ports for the test processes of one machine.

``make test`` runs several processes (pytest-xdist), because most tests wait for other processes
rather than for a CPU core.
"""

import fcntl
import os
import random
import socket
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FIRST_PORT, PORTS_EACH = 12_000, 2_000
"""Each test process has its own ports, below the kernel's range for outgoing connections."""

_chosen: deque[int] = deque(maxlen=PORTS_EACH // 2)
"""The last ports that were returned, most of them not in use yet when another one is chosen."""

PROCESS_VARIABLE = "SEKISHO_TEST_PROCESS"
"""The environment variable with the number of a test process that pytest-xdist did not start."""


@contextmanager
def exclusive_lock(what: str) -> Iterator[None]:
    """Hold a lock, named ``what``, across test processes, for example to install packages."""
    with (Path(tempfile.gettempdir()) / f"sekisho-tests-{what}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def free_port() -> int:
    """Return an unused loopback port that no other test process chooses, another one each time."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    number = int(os.environ.get(PROCESS_VARIABLE, worker))
    first = FIRST_PORT + number % 10 * PORTS_EACH
    unchosen = set(range(first, first + PORTS_EACH)).difference(_chosen)
    for port in random.sample(sorted(unchosen), 200):
        with socket.socket() as holder:
            try:
                holder.bind(("127.0.0.1", port))
            except OSError:
                continue
            _chosen.append(port)
            return port
    raise RuntimeError("no port is free")
