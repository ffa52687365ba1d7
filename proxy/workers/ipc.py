"""Messages between supervisor and worker while the worker starts.

There is one line of JSON in each direction, over a socket that is the worker's standard input. The
supervisor sends the :class:`WorkerConfig`; the worker reports that it is ready, or why it failed.
The first message contains the configuration file as it was read when Sekisho started. A worker that
is restarted later therefore has the same configuration as the others, even if the file has changed.
"""

import json
import os
import socket
from dataclasses import asdict, dataclass, field
from pathlib import Path

MAX_LINE_BYTES = 16 * 1024**2
"""More than a configuration file or a failure report needs."""


class WorkerFailed(Exception):
    """A worker did not become ready. ``lines`` are for the operator, ``trace`` for developers."""

    def __init__(self, lines: tuple[str, ...], trace: str = "") -> None:
        super().__init__("; ".join(lines))
        self.lines = lines
        self.trace = trace


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """Configuration of a worker process: its ``number``, from 0, and the count of ``workers``."""

    number: int
    workers: int
    folder: str
    """The folder of the workers' sockets."""
    config: str = field(repr=False)
    """The text of the configuration file."""

    @property
    def socket(self) -> Path:
        """The socket on which this worker serves its metrics."""
        return socket_in(Path(self.folder), self.number)

    def line(self) -> bytes:
        """Return the message, one line of JSON."""
        return json.dumps(asdict(self)).encode() + b"\n"


def socket_in(folder: Path, number: int) -> Path:
    """Return the path of a worker's socket."""
    return folder / f"{number}.sock"


class SupervisorChannel:
    """A worker's connection to its supervisor. Replaces standard input with /dev/null.

    Raises:
        OSError: standard input is not a socket.
    """

    def __init__(self) -> None:
        self._socket = socket.fromfd(0, socket.AF_UNIX, socket.SOCK_STREAM)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        self._reported = False
        """Whether the supervisor has the result of the start."""

    def config(self) -> WorkerConfig:
        """Wait for the configuration, which comes when the supervisor has prepared everything.

        Raises:
            ValueError: the connection was closed without one.
        """
        with self._socket.makefile("rb") as lines:
            return WorkerConfig(**json.loads(lines.readline(MAX_LINE_BYTES)))

    def ready(self) -> None:
        """Report that this worker accepts requests."""
        self._send({"ready": True})

    def failed(self, lines: tuple[str, ...], trace: str = "") -> bool:
        """Report that this worker cannot start. False if it has reported that it is ready."""
        if self._reported:
            return False
        self._send({"lines": lines, "trace": trace})
        return True

    def _send(self, message: object) -> None:
        self._reported = True
        try:
            self._socket.sendall(json.dumps(message).encode() + b"\n")
            self._socket.close()
        except OSError:  # the supervisor has ended, and this process ends with it
            pass


def parse_ready_message(line: bytes) -> None:
    """Parse a worker's report. Raises WorkerFailed unless the worker is ready."""
    report = json.loads(line)
    if "ready" not in report:
        raise WorkerFailed(tuple(report["lines"]), report["trace"])
