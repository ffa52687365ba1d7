"""Child processes that never outlive the one that started them, with their output in log files."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

TAIL_LINES = 15
"""How much of a log an error shows: enough for a Go program's last words."""

POLL_SECONDS = 0.05
"""The pause between two looks at something that is still starting."""

# Runs before the program itself: the kernel is told to kill this process when its parent's thread
# dies (PR_SET_PDEATHSIG = 1), and checks that it isn't dead already. A program of its own instead
# of preexec_fn, because Python code between fork and exec may deadlock in a process with threads.
_DIE_WITH_PARENT = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


class ComponentError(Exception):
    """A component didn't start, or died; the message ends with the last lines of its log."""


def under_us() -> list[str]:
    """What goes before a command so that its process dies with this one (on Linux)."""
    if sys.platform != "linux":
        return []
    return [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid())]


class Component:
    """One program in a process group of its own; it can be started again after it has stopped.

    The thread that starts it must live as long as it should run: Linux ties the two together.
    """

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        self._process: asyncio.subprocess.Process | None = None

    @property
    def running(self) -> bool:
        """Whether the process is there; one that was paused is."""
        return self._process is not None and self._process.returncode is None

    async def start(self, command: Sequence[str | Path]) -> None:
        """Start the program without waiting for anything; its output is appended to the log."""
        argv = [*under_us(), *(str(part) for part in command)]
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    async def stop(self, *, grace: float) -> None:
        """Ask the group to end, and kill what is left after ``grace`` seconds (0: at once)."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        if grace > 0:
            self.signal(signal.SIGTERM)
            self.signal(signal.SIGCONT)  # a paused process would not hear the first one
            try:
                await asyncio.wait_for(process.wait(), grace)
            except TimeoutError:
                pass
        self.signal(signal.SIGKILL)
        await process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process group, if it is still there."""
        if self._process is None or self._process.returncode is not None:
            return
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            pass

    def tail(self) -> str:
        """Return the last lines of the log."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-TAIL_LINES:])

    async def wait_until(
        self, ready: Callable[[], Awaitable[bool]], *, what: str, seconds: float
    ) -> None:
        """Poll until ``ready``; :class:`ComponentError` once the process is gone or time is up."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not await ready():
            if not self.running:
                raise ComponentError(f"{self.name} ended before {what}:\n{self.tail()}")
            if asyncio.get_running_loop().time() > deadline:
                raise ComponentError(f"{self.name}: no {what} in {seconds:g} s:\n{self.tail()}")
            await asyncio.sleep(POLL_SECONDS)
