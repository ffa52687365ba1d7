"""Child processes that never outlive this one, with their output in log files."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from proxy.under_us import under_us as under_us  # for those who start others like that

TAIL_LINES = 15
"""How much of a log an error shows: enough for a Go program's last words."""

POLL_SECONDS = 0.05
"""The pause between two looks at something that is still starting."""


class ComponentError(Exception):
    """A component didn't start, or died; the message ends with the last lines of its log."""


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
