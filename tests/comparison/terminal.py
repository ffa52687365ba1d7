"""kubectl on a terminal whose size changes while it runs."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios

from tests.comparison.sides import Side


def resized(
    side: Side,
    *arguments: str,
    before: tuple[int, int],
    after: tuple[int, int],
    websockets: str,
) -> tuple[str, int]:
    """Run kubectl to its end; once it has told the first size, change it. Text and exit code."""
    ours, theirs = pty.openpty()
    set_size(theirs, before)
    environment = {"TERM": "xterm", "KUBECTL_REMOTE_COMMAND_WEBSOCKETS": websockets}
    with subprocess.Popen(
        side.command(*arguments),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=side.environment(environment),
        start_new_session=True,
    ) as process:
        text = b""
        try:
            while b"%d %d" % before not in text and (piece := read(ours)):
                text += piece
            set_size(theirs, after)
            # The terminal is not its controlling one, so the kernel does not tell it.
            process.send_signal(signal.SIGWINCH)
            os.close(theirs)
            while piece := read(ours):
                text += piece
            code = process.wait(60)
        finally:
            process.kill()
    os.close(ours)
    return text.decode(errors="replace"), code


def set_size(terminal: int, size: tuple[int, int]) -> None:
    """Set rows and columns."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))


def read(terminal: int) -> bytes:
    """What is written next; nothing once the other end is closed, which Linux calls an error."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""
