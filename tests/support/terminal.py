"""Run kubectl on a pseudo-terminal, as a user would."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
from dataclasses import dataclass
from pathlib import Path

from tests.support.kubernetes import kubectl_command, kubectl_environment


@dataclass(frozen=True, slots=True)
class Output:
    """Output of a command on a terminal, and its exit code."""

    text: str
    code: int


def in_terminal(
    kubeconfig: Path, *arguments: str, rows: int, columns: int, seconds: float = 60.0
) -> Output:
    """Run kubectl to its end on a terminal of the given size."""
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    with subprocess.Popen(
        kubectl_command(kubeconfig, *arguments),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=kubectl_environment(kubeconfig) | {"TERM": "xterm"},
        start_new_session=True,
    ) as process:
        os.close(terminal)
        text = _read_all(controller)
        code = process.wait(seconds)
    os.close(controller)
    return Output(text, code)


def _read_all(terminal: int) -> str:
    pieces = []
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # Linux reports a closed terminal as an error
            break
        if not piece:
            break
        pieces.append(piece)
    return b"".join(pieces).decode(errors="replace")
