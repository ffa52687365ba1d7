"""Read files that settings name: regular files of bounded size only.

A pipe may have no end and no writer, so a process that opens one may wait without end, at each
start. A device may have no end either.
"""

import os
import stat
from pathlib import Path


class NotRegular(OSError):
    """A setting names something other than a regular file."""


class FileTooLarge(OSError):
    """A file is larger than its purpose allows."""


def read_regular_file(file: Path, most: int) -> bytes:
    """Return the content of ``file``, at most ``most`` bytes. Never waits for a writer.

    Raises:
        OSError: the file cannot be read; ``strerror`` is the reason.
    """
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotRegular(0, "is not a regular file", str(file))
    with os.fdopen(descriptor, "rb") as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise FileTooLarge(0, f"is larger than {most // 1024} KiB", str(file))
    return content
