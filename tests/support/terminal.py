"""Running kubectl on a terminal of its own, as a person would."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
from dataclasses import dataclass
from pathlib import Path

from tests.parts.kubernetes import kubectl_command, kubectl_environment


@dataclass(frozen=True, slots=True)
class Output:
    """What was seen on the terminal, and the exit code."""

    text: str
    code: int


def in_terminal(
    kubeconfig: Path, *arguments: str, rows: int, columns: int, seconds: float = 60.0
) -> Output:
    """Run kubectl on a terminal of that size, to its end."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    with subprocess.Popen(
        kubectl_command(kubeconfig, *arguments),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=kubectl_environment(kubeconfig) | {"TERM": "xterm"},
        start_new_session=True,
    ) as process:
        os.close(theirs)
        text = _read_all(ours)
        code = process.wait(seconds)
    os.close(ours)
    return Output(text, code)


def _read_all(terminal: int) -> str:
    pieces = []
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # the other end is closed: that is how Linux tells it
            break
        if not piece:
            break
        pieces.append(piece)
    return b"".join(pieces).decode(errors="replace")
