"""Files and folders under a temporary name, until they are complete.

A killed process leaves such a file behind. The process that writes it holds a lock on it, which
ends with the process: so the next one in the same folder knows which of them are abandoned, and
removes those.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

SUFFIX = ".sekisho-unfinished"


@contextmanager
def unfinished_file(file: Path) -> Iterator[BinaryIO]:
    """Create a file with mode 0600. It gets its name at the end, so a named one is complete.

    Raises:
        FileExistsError: ``file`` exists, or another process was faster.
        OSError: the file can't be written. Nothing is left.
    """
    try:
        if os.path.lexists(file):
            raise FileExistsError(file)
        remove_abandoned(file.parent)
        descriptor, temporary = _created(file)
        try:
            with os.fdopen(descriptor, "wb") as output:
                yield output
                output.flush()
                os.fsync(output.fileno())
                _name(temporary, file)
        finally:
            temporary.unlink(missing_ok=True)
        _sync(file.parent)
    except FileExistsError:
        raise
    except OSError as exc:
        # The errors of a full disk name no file, and the others the temporary one.
        if exc.filename is None or str(exc.filename).endswith(SUFFIX):
            exc.filename, exc.filename2 = str(file), None
        raise


@contextmanager
def unfinished_folder(file: Path) -> Iterator[Path]:
    """Create a folder beside ``file``, for its owner only. It is removed at the end."""
    remove_abandoned(file.parent)
    folder = Path(tempfile.mkdtemp(dir=file.parent, prefix=f".{file.name}.", suffix=SUFFIX))
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _lock(descriptor)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Lock a folder. Raises BlockingIOError if another process has locked it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(descriptor)


def remove_abandoned(folder: Path) -> None:
    """Remove what killed processes left. What a process still writes is locked, and stays."""
    for path in sorted(folder.glob(f".*{SUFFIX}")):
        # An exclusive lock on NFS needs a file that is open for writing.
        mode = os.O_RDONLY if path.is_dir() else os.O_RDWR
        try:
            descriptor = os.open(path, mode | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:  # another process was faster, or another user's file
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        except OSError:  # it is being written, or this file system has no locks
            continue
        finally:
            os.close(descriptor)


def _created(file: Path) -> tuple[int, Path]:
    """Return the descriptor of a locked file, and its temporary name."""
    while True:
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.", suffix=SUFFIX)
        _lock(descriptor)
        if os.path.lexists(name):
            return descriptor, Path(name)
        os.close(descriptor)  # another process removed it before it was locked


def _lock(descriptor: int) -> None:
    # Without locks, files are never found to be abandoned.
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _name(temporary: Path, file: Path) -> None:
    """Give a complete file its name. Raises FileExistsError."""
    try:
        os.link(temporary, file)  # which never replaces a file
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if os.path.lexists(file):
            raise FileExistsError(file) from None
        temporary.rename(file)


def _sync(folder: Path) -> None:
    """Write a folder's names to the disk: older backups are deleted after this."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # not every network file system can
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
