"""Put files of a backup in place, all of them or none."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from config.errors import UserError
from proxy.backup.files import SavedFile
from proxy.files.private_files import make_private_folder, write_private


def set_aside_name(path: Path) -> Path:
    """Return the name for a file that is replaced: ``x.before-restore-20261130T031700Z``.

    It is new, so that a second restore keeps what the first one set aside.
    """
    name = f"{path.name}.before-restore-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    names = (path.with_name(f"{name}-{number}" if number else name) for number in count())
    return next(one for one in names if not os.path.lexists(one))


@contextmanager
def placed(files: Sequence[tuple[Path, SavedFile]], *, replace: bool) -> Iterator[None]:
    """Write files, and remove them again if the block fails.

    A file that has the same content is left alone. With ``replace``, another one is set aside.

    Raises:
        UserError: a file exists and differs. Nothing was written.
        OSError: a file can't be written.
    """
    missing = [(path, file) for path, file in files if not _same(path, file.content)]
    for path, _ in missing:
        if path.exists() and not replace:
            raise UserError(
                f"{path} exists and differs from the backup's: move it away, or add --replace"
            )
    undo: list[tuple[Path, Path | None]] = []
    try:
        for path, file in missing:
            make_private_folder(path.parent)
            aside = set_aside_name(path) if path.exists() else None
            if aside is not None:
                path.rename(aside)
            undo.append((path, aside))
            write_private(path, file.content)
        yield
    except BaseException:
        for path, aside in reversed(undo):
            path.unlink(missing_ok=True)
            if aside is not None:
                aside.rename(path)
        raise


def _same(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except OSError:
        return False
