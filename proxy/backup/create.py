"""Write and verify backups."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from proxy.backup.archive import ArchiveWriter, Header, UnusableBackup, read_records
from proxy.backup.files import SavedFile
from proxy.backup.key_wrapping import KeyWrapping
from proxy.files.unfinished import unfinished_file
from store.encryption import Keyring
from store.locations import locate
from store.schema import HEAD
from store.transfer.dump import dump
from store.transfer.snapshot import open_snapshot


@dataclass(slots=True)
class Summary:
    """What a backup contains: rows by table, and paths of files."""

    header: Header | None = None
    rows: Counter[str] = field(default_factory=Counter)
    files: list[str] = field(default_factory=list)


async def write_backup(
    file: Path,
    url: str,
    keys: str,
    files: Callable[[], Iterable[SavedFile]],
    wrapping: KeyWrapping,
    *,
    audit: bool = True,
) -> Summary:
    """Write a backup of the database at ``url`` into ``file`` (mode 0600), which is new.

    A server may run meanwhile. ``keys`` are the encryption keys, as in their file. ``audit``: with
    the events of the audit search.

    Raises:
        KeyMismatch: ``keys`` don't open the database.
        StoreError, WrongKey, OSError: no backup was written.
    """
    try:
        with unfinished_file(file) as output:
            archive = ArchiveWriter(output, HEAD, wrapping)
            summary = Summary(archive.header)
            await _write(archive, summary, url, keys, files, audit=audit)
            archive.finish()
    except FileExistsError:
        raise UnusableBackup(f"{file} exists: name another file") from None
    return summary


async def _write(
    archive: ArchiveWriter,
    summary: Summary,
    url: str,
    keys: str,
    files: Callable[[], Iterable[SavedFile]],
    *,
    audit: bool,
) -> None:
    archive.write({"kind": "keys", "keys": keys})
    for saved in files():
        archive.write(saved.record())
        summary.files.append(saved.path)
    async with open_snapshot(locate(url), audit=audit) as snapshot:
        await snapshot.check_keys(Keyring.parse(keys))
        async for record in dump(snapshot):
            archive.write(record)
            if record["kind"] == "rows":
                summary.rows[record["table"]] += len(record["rows"])
            else:
                summary.rows[record["name"]] += 0
    archive.write({"kind": "end", "rows": dict(summary.rows), "files": len(summary.files)})


def verify_backup(file: Path, wrapping: KeyWrapping) -> Summary:
    """Read a backup to its end. Raises UnusableBackup and WrongKey."""
    summary = Summary()
    ended = False
    with file.open("rb") as source:
        summary.header, records = read_records(source, wrapping)
        for record in records:
            if record["kind"] == "rows":
                summary.rows[record["table"]] += len(record["rows"])
            elif record["kind"] == "table":
                summary.rows[record["name"]] += 0
            elif record["kind"] == "file":
                summary.files.append(SavedFile.of(record).path)
            elif record["kind"] == "end":
                ended = True
                check_end(record, summary.rows, len(summary.files))
    if not ended:
        raise UnusableBackup("the backup has no end")
    return summary


def check_end(record: dict[str, object], rows: Counter[str], files: int) -> None:
    """Raise UnusableBackup unless the numbers in the last record are those that were read."""
    if record["rows"] != dict(rows) or record["files"] != files:
        raise UnusableBackup("the backup does not have as many rows or files as it should")
