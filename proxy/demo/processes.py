"""Child processes that end with this one, with their output in log files."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from config.errors import UserError
from proxy.workers.child_process import die_with_parent

TAIL_LINES = 15
"""Lines of the log that an error shows: enough for the end of a Go program."""

POLL_SECONDS = 0.05
"""The pause between two checks of a component that starts."""


class ComponentError(UserError):
    """A component did not start, or ended. The message has the last lines of its log."""


class Component:
    """A program in a process group of its own. It can be started again after a stop.

    The kernel kills it when the thread that started it ends.
    """

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        self._process: asyncio.subprocess.Process | None = None

    @property
    def running(self) -> bool:
        """Whether the process exists. A paused process does."""
        return self._process is not None and self._process.returncode is None

    async def start(self, command: Sequence[str | Path]) -> None:
        """Start the program without waiting for it. Its output is appended to the log."""
        argv = [*die_with_parent(), *(str(part) for part in command)]
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    async def stop(self, *, grace: float) -> None:
        """Send SIGTERM to the group, and SIGKILL after ``grace`` seconds (0: immediately)."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        if grace > 0:
            self.signal(signal.SIGTERM)
            self.signal(signal.SIGCONT)  # a paused process would not get the first signal
            try:
                await asyncio.wait_for(process.wait(), grace)
            except TimeoutError:
                pass
        self.signal(signal.SIGKILL)
        await process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process group, if it still exists."""
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
        """Poll until ``ready``. Raises ComponentError if the process ends, or after ``seconds``."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not await ready():
            if not self.running:
                raise ComponentError(f"{self.name} ended before {what}:\n{self.tail()}")
            if asyncio.get_running_loop().time() > deadline:
                raise ComponentError(f"{self.name}: no {what} in {seconds:g} s:\n{self.tail()}")
            await asyncio.sleep(POLL_SECONDS)
