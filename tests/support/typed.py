"""Run a command on a pseudo-terminal and type into it, as a user does."""

import os
import pty
import select
import time
from collections.abc import Mapping, Sequence

from tests.support.waiting import wait_until

INTERRUPT = "\x03"
END_OF_INPUT = "\x04"

AGAIN_SECONDS = 20.0
"""After this time, a user presses a key again."""


class TypedCommand:
    """A command that has a terminal of its own. Use :meth:`expect`, :meth:`type`, :meth:`end`."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.shown = ""
        self._seen = 0
        self._child, self._terminal = pty.fork()
        if self._child == 0:  # pragma: no cover  # this is another process
            os.execve(command[0], list(command), {**environment, "TERM": "xterm"})

    def expect(self, text: str) -> None:
        """Wait until the command has shown ``text`` since the last call."""

        def is_shown() -> bool:
            shown = text in self.shown[self._seen :]
            assert shown or self._read(), f"ended before {text!r}: {self.shown!r}"
            return shown

        wait_until(is_shown, what=lambda: f"{text!r}, after {self.shown!r}")
        self._seen = self.shown.index(text, self._seen) + len(text)

    def type(self, text: str) -> None:
        """Type ``text``."""
        os.write(self._terminal, text.encode())

    def end(self, again: str = "") -> int:
        """Wait until the command ends, and type ``again`` now and then. Return its exit code.

        Python loses a Ctrl-C between the prompt and the wait for a line: ``input`` then sees it
        with the next key only.
        """
        pressed = time.monotonic()
        while self._read():
            if again and time.monotonic() - pressed > AGAIN_SECONDS:
                self.type(again)
                pressed = time.monotonic()
        os.close(self._terminal)
        return os.waitstatus_to_exitcode(os.waitpid(self._child, 0)[1])

    def _read(self) -> bool:
        """Read what is shown. Return False at the end."""
        ready, _, _ = select.select([self._terminal], [], [], 1.0)
        if not ready:
            return True
        try:
            piece = os.read(self._terminal, 65536)
        except OSError:  # Linux reports a closed terminal as an error
            return False
        self.shown += piece.decode(errors="replace")
        return bool(piece)
