"""A log file of ours: private, set aside when it is large, opened anew when somebody moved it."""

import fcntl
import os
from pathlib import Path


class RotatingFile:
    """A stream of text for :class:`~proxy.line_log.LineLog`; used from its thread alone.

    Several processes may write to one file, each with a RotatingFile of its own: whoever writes
    holds a lock (``flock``) on the file that is at the path at that moment, so that nothing gets
    into a file that was set aside meanwhile, and a full one is set aside once.

    A file that would grow over ``max_bytes`` becomes ``<file>.1``, that ``<file>.2`` and so on;
    ``backups`` of them are kept. A file that logrotate (or somebody) has moved away is left to
    them, and a new one begun. Raises OSError where the file can't be opened or locked.
    """

    def __init__(self, file: Path, *, max_bytes: int, backups: int) -> None:
        self._file = file
        self._max_bytes = max_bytes
        self._backups = backups
        self._stream = self._open()
        fcntl.flock(self._stream, fcntl.LOCK_EX)
        fcntl.flock(self._stream, fcntl.LOCK_UN)

    def write(self, text: str) -> None:
        """Append ``text`` as UTF-8, and give it to the operating system. Raises OSError."""
        data = text.encode("utf-8", "backslashreplace")
        self._lock_one_with_room_for(len(data))
        try:
            while data:
                data = data[os.write(self._stream, data) :]
        finally:
            fcntl.flock(self._stream, fcntl.LOCK_UN)

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Close the file."""
        os.close(self._stream)

    def _lock_one_with_room_for(self, added: int) -> None:
        """Hold the lock of the file at the path, after setting aside one that would be too large.

        To wait for a lock takes time in which another process may have set that file aside. So it
        is looked at again; and closing a file lets go of its lock.
        """
        while True:
            fcntl.flock(self._stream, fcntl.LOCK_EX)
            if not self._moved():
                size = os.fstat(self._stream).st_size
                if not size or size + added <= self._max_bytes:
                    return
                self._set_aside()
            self._reopen()

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        return os.open(self._file, flags, 0o600)

    def _reopen(self) -> None:
        fresh = self._open()
        os.close(self._stream)
        self._stream = fresh

    def _moved(self) -> bool:
        try:
            there = self._file.stat()
        except FileNotFoundError:
            return True
        ours = os.fstat(self._stream)
        return (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino)

    def _set_aside(self) -> None:
        if not self._backups:
            self._file.unlink(missing_ok=True)
            return
        for number in range(self._backups, 0, -1):
            older = self._numbered(number)
            newer = self._numbered(number - 1) if number > 1 else self._file
            if newer.exists():
                newer.replace(older)

    def _numbered(self, number: int) -> Path:
        return self._file.with_name(f"{self._file.name}.{number}")
