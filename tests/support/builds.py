"""Build Kubernetes in the background while tests that do not need it run.

A cold build takes minutes of all cores, and half of the tests do not need it. Those run first. Each
other test waits for its build before its timeout starts.
"""

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from proxy.demo.binaries import cached_programs

BUILD = Path(__file__).parents[1] / "kubernetes" / "build.py"


class Builds:
    """A queue of build.py runs, processed by one thread."""

    def __init__(self) -> None:
        self._queue: list[tuple[str, ...]] = []
        self._done: dict[tuple[str, ...], threading.Event] = {}
        self._thread: threading.Thread | None = None
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the process)

    def add(self, *arguments: str, first: bool = False) -> None:
        """Queue a run of build.py. A failure shows when a test misses the result."""
        if arguments not in self._done:
            self._queue.insert(0 if first else len(self._queue), arguments)
            self._done[arguments] = threading.Event()

    def start(self) -> None:
        """Start the thread, which runs the builds in order."""
        if self._queue and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="builds", daemon=True)
            self._thread.start()

    def pending(self, steps: Sequence[tuple[str, ...]]) -> bool:
        """Return whether any of the builds is unfinished."""
        return any(not self._done[step].is_set() for step in steps if step in self._done)

    def wait(self, steps: Sequence[tuple[str, ...]]) -> None:
        """Wait until the builds have ended, successfully or not."""
        for step in steps:
            if step in self._done:
                self._done[step].wait()

    def output(self) -> str:
        """Return the output so far."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def _run(self) -> None:
        for step in self._queue:
            command = [sys.executable, str(BUILD), *step]
            subprocess.run(command, stdout=self._log, stderr=self._log, check=False)
            self._done[step].set()


def built_program(name: str) -> Path:
    """Return a program that is built on request. If it could not be, fail in CI, else skip."""
    program = cached_programs(os.environ) / name
    if not program.exists():
        message = f"{name} was not built: {BUILDS.output()}"
        if os.environ.get("CI"):
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    return program


BUILDS = Builds()
