"""Run kubectl on a terminal whose size changes meanwhile."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios

from tests.comparison.sides import Side


def run_resized(
    side: Side,
    *arguments: str,
    before: tuple[int, int],
    after: tuple[int, int],
    websockets: str,
) -> tuple[str, int]:
    """Run kubectl and resize its terminal once it has printed the first size.

    Returns the output and the exit code.
    """
    controller, terminal = pty.openpty()
    set_size(terminal, before)
    environment = {"TERM": "xterm", "KUBECTL_REMOTE_COMMAND_WEBSOCKETS": websockets}
    with subprocess.Popen(
        side.command(*arguments),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=side.environment(environment),
        start_new_session=True,
    ) as process:
        text = b""
        try:
            while b"%d %d" % before not in text and (piece := read(controller)):
                text += piece
            set_size(terminal, after)
            # It is not kubectl's controlling terminal, so the kernel sends no signal.
            process.send_signal(signal.SIGWINCH)
            os.close(terminal)
            while piece := read(controller):
                text += piece
            code = process.wait(60)
        finally:
            process.kill()
    os.close(controller)
    return text.decode(errors="replace"), code


def set_size(terminal: int, size: tuple[int, int]) -> None:
    """Set rows and columns."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))


def read(terminal: int) -> bytes:
    """Read the next output. Linux reports a closed terminal as an error: returns no bytes."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""
