"""Check the machine: open files, the data directory, its disk, and the metrics listener."""

import os
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

from config.settings import Settings
from proxy.doctor.findings import Finding, error, ok, skipped, warning

FEW_FILES = 4096
"""Open files below which a few hundred users can reach the limit: a client may need two."""

LITTLE_BYTES, LEAST_BYTES = 1 << 30, 100 << 20
"""Free space below which the database or the audit log will soon fail, or fails any time."""


def check_machine(settings: Settings) -> Iterator[Finding]:
    """Yield the findings."""
    yield _files()
    yield from _data_dir(settings.data_dir)
    yield _metrics(settings)


def _files() -> Finding:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard >= FEW_FILES:
        shown = "no limit" if hard == resource.RLIM_INFINITY else f"{hard} files"
        return ok("files", "limit", f"{shown}, in this shell")
    return warning(
        "files",
        "limit",
        f"{hard} files may be open in this shell",
        "set LimitNOFILE= of the service, or the container's limit, to 65536 or more",
    )


def _data_dir(folder: Path) -> Iterator[Finding]:
    subject = str(folder)
    if not folder.is_dir():
        yield error(
            "data_dir", subject, "does not exist", "start Sekisho once, or correct data_dir"
        )
        return
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield error(
            "data_dir",
            subject,
            "this user cannot read and write it",
            "run this command as the server's user, or correct the folder's owner",
        )
    elif folder.stat().st_mode & 0o077:
        yield warning(
            "data_dir", subject, "other users of the machine can enter it", f"chmod 0700 {folder}"
        )
    else:
        yield ok("data_dir", subject, "readable by its owner only")
    yield _disk(folder)


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    message = f"{free >> 20} MiB are free"
    remedy = "free space, or move data_dir and the audit log to a larger disk"
    if free < LEAST_BYTES:
        return error("disk", str(folder), message, remedy)
    if free < LITTLE_BYTES:
        return warning("disk", str(folder), message, remedy)
    return ok("disk", str(folder), message)


def _metrics(settings: Settings) -> Finding:
    metrics = settings.metrics
    if metrics.token is not None:
        return ok("metrics", str(metrics.listen), "need a token")
    if (metrics.listen.host or "") in {"127.0.0.1", "::1", "localhost"}:
        return skipped("metrics", str(metrics.listen), "need no token, on loopback only")
    return warning(
        "metrics",
        str(metrics.listen),
        "are served to every client that reaches the listener",
        "set metrics.token_file, or let only Prometheus reach the port",
    )
