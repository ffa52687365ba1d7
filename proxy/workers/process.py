"""A worker process as the supervisor sees it: start, readiness and end."""

import asyncio
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Self

from proxy.background.tasks import wait_first
from proxy.workers.child_process import die_with_parent
from proxy.workers.ipc import MAX_LINE_BYTES, WorkerConfig, WorkerFailed, parse_ready_message

WORKER_OPTION = "--worker"


def command(number: int) -> list[str]:
    """Return the command of a worker: that of this process, and WORKER_OPTION."""
    return [sys.executable, *sys.orig_argv[1:], WORKER_OPTION, str(number)]


class WorkerProcess:
    """A worker's process. The kernel kills it when the thread that started it ends."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        config: WorkerConfig,
    ) -> None:
        self._config = config
        self._process = process
        self._reader = reader
        self._writer = writer
        self.pid = process.pid

    @classmethod
    async def start(cls, config: WorkerConfig, argv: Sequence[str] = ()) -> Self:
        """Start a process in a new session, so that Ctrl-C in a terminal reaches only this process.

        ``argv`` replaces Sekisho's command.
        """
        channel, stdin = socket.socketpair()
        with stdin:
            process = await asyncio.create_subprocess_exec(
                *die_with_parent(),
                *(argv or command(config.number)),
                stdin=stdin.fileno(),
                start_new_session=True,
            )
        reader, writer = await asyncio.open_connection(sock=channel, limit=MAX_LINE_BYTES)
        return cls(process, reader, writer, config)

    async def until_ready(self, go: asyncio.Event) -> None:
        """Wait until the process accepts requests. Raises WorkerFailed if it ends before that.

        It gets its configuration when ``go`` is set. Until then, it imports its modules.
        """
        try:
            await wait_first(go.wait(), self._process.wait())
            self._writer.write(self._config.line())
            line = await self._reader.readline()
        except OSError:
            line = b""
        finally:
            self._writer.close()
        if not line:
            how = await self.ended()
            raise WorkerFailed((f"a worker ended before it was ready: {how}",))
        parse_ready_message(line)

    async def ended(self) -> str:
        """Wait for the end of the process and return a description of it."""
        code = await self._process.wait()
        return f"exit code {code}" if code >= 0 else f"signal {-code} ({signal.strsignal(-code)})"

    def terminate(self) -> None:
        """Send SIGTERM: the process stops in order."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        try:
            self._process.send_signal(number)
        except ProcessLookupError:
            pass
