"""Writing files that nobody else may read, all or nothing."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_private(file: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Write ``content``, so that a reader sees the old file or the new one, never a part."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        os.fchmod(descriptor, mode)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def keep_private(file: Path) -> str | None:
    """Take a file of ours back from others who may read it; what to warn of, or None."""
    if not file.stat().st_mode & 0o077:
        return None
    try:
        file.chmod(0o600)
    except PermissionError:  # it is somebody else's, as on a volume that changed hands
        return "others can read a key, and its mode can't be changed by this user"
    return "others could read a key; its mode is 0600 now"


def make_private_folder(folder: Path) -> None:
    """Make a folder (and its parents) for its owner only, if it isn't there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold off other processes that would make the same files in ``folder`` at the same time."""
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
