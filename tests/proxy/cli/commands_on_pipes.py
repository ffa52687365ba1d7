"""A command in a process of its own, whose output is read while it runs."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from queue import Queue
from types import TracebackType
from typing import Self

from tests.proxy.cli.verbs.conftest import CommandLine
from tests.support.waiting import BUSY_SECONDS


class CommandOnPipes:
    """Run a command as a user, and read its lines. ``errors`` is its standard error, at the end."""

    def __init__(self, line: CommandLine, *words: str) -> None:
        self.errors = ""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "proxy", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[3],
            env={**os.environ, **line.environment, "XDG_CONFIG_HOME": str(line.home)},
        )
        self._lines: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._reader.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._reader.join(BUSY_SECONDS)
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._process.stdout.close()
        self.errors = self._process.stderr.read()
        self._process.stderr.close()
        self._process.wait(BUSY_SECONDS)

    def line(self) -> str:
        """Return the next line of standard output, without its end."""
        return self._lines.get(timeout=BUSY_SECONDS)

    def await_line(self, expected: str) -> None:
        """Read lines until one is as expected."""
        while self.line() != expected:
            pass

    def interrupt(self) -> int:
        """Press Ctrl-C, and return the exit code."""
        self._process.send_signal(signal.SIGINT)
        return self.end()

    def end(self) -> int:
        """Wait until the command ends, and return its exit code."""
        return self._process.wait(BUSY_SECONDS)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))
