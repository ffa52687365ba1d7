"""Building Kubernetes while the tests that don't need it run.

A cold build takes minutes of every core; half of the tests can do without it. So tests that need
nothing built come first, and each of the others waits, before its own time begins to count, until
what it needs is there.
"""

import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

BUILD = Path(__file__).parents[1] / "kubernetes" / "build.py"


class Builds:
    """Runs of build.py, one after another, in a thread of their own."""

    def __init__(self) -> None:
        self._wanted: list[tuple[str, ...]] = []
        self._done: dict[tuple[str, ...], threading.Event] = {}
        self._thread: threading.Thread | None = None
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the process)

    def want(self, *arguments: str, first: bool = False) -> None:
        """Have build.py run with those arguments; a failure is found by whoever needs its work."""
        if arguments not in self._done:
            self._wanted.insert(0 if first else len(self._wanted), arguments)
            self._done[arguments] = threading.Event()

    def start(self) -> None:
        """Begin, in the order in which they were wanted."""
        if self._wanted and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="builds", daemon=True)
            self._thread.start()

    def pending(self, steps: Sequence[tuple[str, ...]]) -> bool:
        """Whether any of those is still to be done."""
        return any(not self._done[step].is_set() for step in steps if step in self._done)

    def wait(self, steps: Sequence[tuple[str, ...]]) -> None:
        """Return when those are done, well or not."""
        for step in steps:
            if step in self._done:
                self._done[step].wait()

    def said(self) -> str:
        """What has been printed so far."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def _run(self) -> None:
        for step in self._wanted:
            command = [sys.executable, str(BUILD), *step]
            subprocess.run(command, stdout=self._log, stderr=self._log, check=False)
            self._done[step].set()


BUILDS = Builds()
