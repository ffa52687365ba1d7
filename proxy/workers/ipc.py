"""What a supervisor and a worker say to each other while the worker starts.

One line of JSON each way, over a socket that is the worker's standard input: what it shall be, and
whether it is ready. The configuration is in the first one, as it was read when Sekisho started, so
that a worker which starts again later is like its siblings whatever has been written since.
"""

import json
import os
import socket
from dataclasses import asdict, dataclass, field
from pathlib import Path

MAX_LINE_BYTES = 16 * 1024**2
"""More than a configuration has, and than there is to say of a failure."""


class WorkerFailed(Exception):
    """A worker that didn't become ready. ``lines`` say why, for operators; ``trace`` for us."""

    def __init__(self, lines: tuple[str, ...], trace: str = "") -> None:
        super().__init__("; ".join(lines))
        self.lines = lines
        self.trace = trace


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a process shall be: ``number`` of so many ``workers``, counted from 0."""

    number: int
    workers: int
    folder: str
    """Where workers' sockets are."""
    config: str = field(repr=False)
    """What is in the configuration's file."""

    @property
    def socket(self) -> Path:
        """Where this worker tells its metrics."""
        return socket_in(Path(self.folder), self.number)

    def line(self) -> bytes:
        """As it is sent."""
        return json.dumps(asdict(self)).encode() + b"\n"


def socket_in(folder: Path, number: int) -> Path:
    """A worker's socket."""
    return folder / f"{number}.sock"


class Supervisor:
    """The supervisor, as seen by a worker. Takes standard input, which is nothing from then on.

    Raises OSError where that is no socket.
    """

    def __init__(self) -> None:
        self._socket = socket.fromfd(0, socket.AF_UNIX, socket.SOCK_STREAM)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        self._heard = False
        """Whether it knows how the start went."""

    def assignment(self) -> Assignment:
        """What this process shall be, once everything is prepared. Raises ValueError where nobody
        says that.
        """
        with self._socket.makefile("rb") as lines:
            return Assignment(**json.loads(lines.readline(MAX_LINE_BYTES)))

    def ready(self) -> None:
        """Requests are served."""
        self._say({"ready": True})

    def failed(self, lines: tuple[str, ...], trace: str = "") -> bool:
        """Say that we can't start; False where we said already that we could."""
        if self._heard:
            return False
        self._say({"lines": lines, "trace": trace})
        return True

    def _say(self, what: object) -> None:
        self._heard = True
        try:
            self._socket.sendall(json.dumps(what).encode() + b"\n")
            self._socket.close()
        except OSError:  # it is gone, and we shall be in a moment
            pass


def heard(line: bytes) -> None:
    """Read what a worker said. Raises WorkerFailed unless it is ready."""
    said = json.loads(line)
    if "ready" not in said:
        raise WorkerFailed(tuple(said["lines"]), said["trace"])
