"""Find, lock and replace a user's kubeconfig file, as kubectl does."""

import errno
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from proxy.cli.common import CommandFailed, reason
from proxy.cli.kubeconfig.document import Document
from proxy.cli.kubeconfig.entries import InvalidKubeconfig
from proxy.files.private_files import make_private_folder, write_private

MAX_BYTES = 4 * 1024 * 1024
LOCK_SECONDS = 3.0
"""How long another program may hold the lock: kubectl's own writes take milliseconds."""

_POLL_SECONDS = 0.05


def default_file(environ: Mapping[str, str]) -> Path:
    """Return the file that kubectl would write to (client-go: ``GetDefaultFilename``).

    Of several in ``$KUBECONFIG``, it is the first that exists, else the last.
    """
    named = [Path(one) for one in environ.get("KUBECONFIG", "").split(os.pathsep) if one]
    if named:
        return next((one for one in named if one.exists()), named[-1])
    try:
        return Path.home() / ".kube" / "config"
    except RuntimeError:
        raise CommandFailed("you have no home folder; set KUBECONFIG, or use --output") from None


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold kubectl's lock, ``FILE.lock``. Raises CommandFailed if another program keeps it."""
    lock = file.with_name(f"{file.name}.lock")
    try:
        if not file.parent.exists():
            make_private_folder(file.parent)
        _create(lock, file)
    except OSError as exc:
        raise CommandFailed(f"{file} can't be written: {reason(exc)}") from exc
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _create(lock: Path, file: Path) -> None:
    ends = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            if time.monotonic() > ends:
                raise CommandFailed(
                    f"{file} is locked by another program; if none is running, delete {lock}"
                ) from None
            time.sleep(_POLL_SECONDS)
        else:
            return


def read(file: Path) -> str:
    """Return the file's text; empty if it doesn't exist. Raises CommandFailed."""
    try:
        if file.exists() and not file.is_file():
            raise CommandFailed(f"{file} is not a regular file; name another one")
        with file.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise CommandFailed(f"{file} is larger than {MAX_BYTES // 1024**2} MiB")
        return raw.decode("utf-8-sig")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise CommandFailed(f"{file} is not text in UTF-8; repair it") from None
    except OSError as exc:
        raise CommandFailed(f"{file} can't be read: {reason(exc)}") from exc


def load(file: Path) -> Document:
    """Return the file as a document. Raises CommandFailed."""
    try:
        return Document(read(file))
    except InvalidKubeconfig as exc:
        raise CommandFailed(f"{file} {exc}; repair it first") from None


def check_writable(file: Path) -> None:
    """Raise CommandFailed if :func:`write` could not replace the file."""
    target = _target(file)
    if target.exists() and not target.is_file():
        raise CommandFailed(f"{file} is not a regular file; name another one")
    if target.exists() and not os.access(target, os.W_OK):
        raise CommandFailed(f"{file} can't be written: {_text(errno.EACCES)}")
    if target.parent.exists() and not os.access(target.parent, os.W_OK | os.X_OK):
        raise CommandFailed(f"{file} can't be written: {_text(errno.EACCES)}")


def write(file: Path, text: str) -> None:
    """Replace the file atomically. A symbolic link and the mode of its target stay.

    A new file has mode 0600. Raises CommandFailed.
    """
    target = _target(file)
    try:
        if not target.parent.exists():
            make_private_folder(target.parent)
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o600
        write_private(target, text.encode(), mode=mode)
    except OSError as exc:
        raise CommandFailed(f"{file} can't be written: {reason(exc)}") from exc


def _target(file: Path) -> Path:
    try:
        return file.resolve()
    except (OSError, RuntimeError):
        raise CommandFailed(f"{file} is a symbolic link to itself") from None


def _text(number: int) -> str:
    return os.strerror(number).lower()
