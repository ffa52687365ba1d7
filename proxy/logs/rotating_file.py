"""A private log file that rotates by size, and is reopened if another program moves it."""

import fcntl
import os
import stat
from pathlib import Path


class RotatingFile:
    """A text stream for :class:`~proxy.logs.line_writer.LineWriter`, used from its thread only.

    Several processes may write to one file, each with its own RotatingFile. The writer holds a lock
    (``flock``) on the file that is at the path. Therefore no process writes to a file that another
    one has rotated, and a full file is rotated once.

    When a file would exceed ``max_bytes``, it becomes ``<file>.1``, the former ``<file>.1`` becomes
    ``<file>.2`` and so on. ``backups`` of them are kept. If another program (logrotate) moves the
    file, a new file is opened at the path.

    Each ``write`` is in the file completely or not at all, and begins a line: a full disk takes the
    first bytes of a text, and a machine that stops keeps any of them.

    Raises:
        OSError: the file cannot be opened or locked.
    """

    def __init__(self, file: Path, *, max_bytes: int, backups: int) -> None:
        self._file = file
        self._max_bytes = max_bytes
        self._backups = backups
        self._stream = self._open()
        fcntl.flock(self._stream, fcntl.LOCK_EX)
        fcntl.flock(self._stream, fcntl.LOCK_UN)

    def write(self, text: str) -> None:
        """Append ``text`` as UTF-8, unbuffered. Raises OSError."""
        data = text.encode("utf-8", "backslashreplace")
        try:
            size = self._lock_one_with_room_for(len(data))
            self._append(data, size)
        finally:
            # Also if no file could be opened: other processes would wait for this one.
            fcntl.flock(self._stream, fcntl.LOCK_UN)

    def flush(self) -> None:
        """Do nothing: writes are unbuffered."""

    def close(self) -> None:
        """Close the file."""
        os.close(self._stream)

    def _append(self, data: bytes, size: int) -> None:
        """Append to the locked file of ``size`` bytes."""
        if size and os.pread(self._stream, 1, size - 1) != b"\n":
            data = b"\n" + data
        try:
            while data:
                data = data[os.write(self._stream, data) :]
        except OSError:
            os.ftruncate(self._stream, size)
            raise

    def _lock_one_with_room_for(self, added: int) -> int:
        """Lock the file at the path, and rotate it if ``added`` bytes would not fit.

        Return the size of the locked file.

        While this process waits for the lock, another one may rotate the file, so its identity is
        checked after locking. Closing a file releases its lock.
        """
        while True:
            fcntl.flock(self._stream, fcntl.LOCK_EX)
            if not self._moved():
                size = os.fstat(self._stream).st_size
                if not size or size + added <= self._max_bytes:
                    return size
                self._rotate()
            self._reopen()

    def _open(self) -> int:
        # Without O_NONBLOCK, opening a pipe without a reader would block.
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        stream = os.open(self._file, flags, 0o600)
        if not stat.S_ISREG(os.fstat(stream).st_mode):
            os.close(stream)
            raise OSError(0, "is not a regular file", str(self._file))
        return stream

    def _reopen(self) -> None:
        fresh = self._open()
        os.close(self._stream)
        self._stream = fresh

    def _moved(self) -> bool:
        try:
            present = self._file.stat()
        except FileNotFoundError:
            return True
        opened = os.fstat(self._stream)
        return (present.st_dev, present.st_ino) != (opened.st_dev, opened.st_ino)

    def _rotate(self) -> None:
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
