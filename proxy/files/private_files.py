"""Write files that only their owner may read, atomically. For POSIX and for Windows.

On Windows, files have no mode; a new one has the access list of its folder, and folders in a
user's profile are that user's alone. A file that another process has open can't be replaced there,
so that a replacement is tried again for a moment.
"""

import errno
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_private(file: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Write ``content`` atomically: a reader sees the old file or the new one."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        if sys.platform != "win32":
            os.fchmod(descriptor, mode)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        replace(Path(name), file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def replace(source: Path, target: Path) -> None:
    """Rename ``source`` to ``target``, which may exist. Raises OSError."""
    for pause in _PAUSES if sys.platform == "win32" else ():
        try:
            source.replace(target)
        except PermissionError:
            time.sleep(pause)
        else:
            return
    source.replace(target)


_PAUSES = (0.01, 0.02, 0.05, 0.1, 0.2)
"""Seconds between attempts to replace a file on Windows."""


def check_writable(file: Path) -> None:
    """Raise OSError if :func:`write_private` could not write ``file``."""
    if file.exists() and not file.is_file():
        raise OSError(errno.EINVAL, "is not a regular file", str(file))
    if not os.access(file.parent, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "can't create a file there", str(file))


def restrict_permissions(file: Path) -> str | None:
    """Remove permissions of other users from a file. Return a warning, or None."""
    if not file.stat().st_mode & 0o077:
        return None
    try:
        file.chmod(0o600)
    except PermissionError:  # another user owns it, as on a volume of a former installation
        return "other users can read a key, and this user can't change its mode"
    return "other users could read a key; its mode is now 0600"


def make_private_folder(folder: Path) -> None:
    """Create a folder (and its parents) for its owner only, if it doesn't exist."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock ``folder`` against other processes that create the same files."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(folder / ".lock", flags, 0o600)
    try:
        _wait_for_lock(descriptor)
        yield
    finally:
        os.close(descriptor)  # which ends the lock


if sys.platform == "win32":
    import msvcrt

    def _wait_for_lock(descriptor: int) -> None:
        while True:
            try:
                msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
            except OSError as exc:
                if exc.errno != errno.EDEADLK:  # it waited for ten seconds
                    raise
            else:
                return

else:
    import fcntl

    def _wait_for_lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
