"""One worker, as its supervisor sees it: a process that starts, gets ready, and ends."""

import asyncio
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Self

from proxy.first_of import first_of
from proxy.under_us import under_us
from proxy.worker_channel import MAX_LINE_BYTES, Assignment, WorkerFailed, heard

WORKER_OPTION = "--worker"


def command(number: int) -> list[str]:
    """What starts a worker: the command that started this process, and an option of ours."""
    return [sys.executable, *sys.orig_argv[1:], WORKER_OPTION, str(number)]


class WorkerProcess:
    """A process of a worker's. It dies with the thread that started it."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        assignment: Assignment,
    ) -> None:
        self._assignment = assignment
        self._process = process
        self._reader = reader
        self._writer = writer
        self.pid = process.pid

    @classmethod
    async def start(cls, assignment: Assignment, argv: Sequence[str] = ()) -> Self:
        """Start a process in a session of its own: what is typed on a terminal isn't for it.

        ``argv`` is another program than Sekisho itself.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *under_us(),
                *(argv or command(assignment.number)),
                stdin=theirs.fileno(),
                start_new_session=True,
            )
        reader, writer = await asyncio.open_connection(sock=ours, limit=MAX_LINE_BYTES)
        return cls(process, reader, writer, assignment)

    async def until_ready(self, go: asyncio.Event) -> None:
        """Return once it serves requests. Raises WorkerFailed where it ends without that.

        It is told what to be once ``go`` is set, and imports what it needs before.
        """
        try:
            await first_of(go.wait(), self._process.wait())
            self._writer.write(self._assignment.line())
            line = await self._reader.readline()
        except OSError:
            line = b""
        finally:
            self._writer.close()
        if not line:
            how = await self.ended()
            raise WorkerFailed((f"a worker ended before it was ready: {how}",))
        heard(line)

    async def ended(self) -> str:
        """Wait for its end; how it ended, in words."""
        code = await self._process.wait()
        return f"exit code {code}" if code >= 0 else f"signal {-code} ({signal.strsignal(-code)})"

    def terminate(self) -> None:
        """Ask it to end in order."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        try:
            self._process.send_signal(number)
        except ProcessLookupError:
            pass
