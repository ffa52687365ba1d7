"""Restore a backup into an empty database and an empty data directory."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.errors import UserError
from config.settings import Settings
from proxy.backup.archive import UnusableBackup, read_records
from proxy.backup.create import check_end
from proxy.backup.files import SavedFile
from proxy.backup.key_wrapping import KeyWrapping
from proxy.backup.placing import placed, set_aside_name
from proxy.files.data_dir import KEY_FILE, ensure_data_dir
from proxy.files.private_files import replace as rename
from proxy.files.unfinished import alone_in, unfinished_folder
from store.encryption import Keyring
from store.locations import Location, locate
from store.transfer.load import Loaded, Loader
from store.transfer.snapshot import refuse_use
from store.transfer.target import Target, open_target


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """``replace``: replace what exists. ``keep_sessions``: browser sessions go on.

    ``revoke_tokens``: revoke API tokens and those of kubeconfigs. ``audit``: with the events of the
    audit search.
    """

    replace: bool = False
    keep_sessions: bool = False
    revoke_tokens: bool = False
    audit: bool = True


def saved_configuration(file: Path, wrapping: KeyWrapping) -> list[SavedFile]:
    """Return the files of the configuration in a backup, the configuration file first."""
    found = []
    with file.open("rb") as source:
        _, records = read_records(source, wrapping)
        for record in records:
            if record["kind"] == "table":
                break
            if record["kind"] == "file" and record["root"] != "data":
                found.append(SavedFile.of(record))
    return found


async def restore_backup(
    file: Path, settings: Settings, wrapping: KeyWrapping, options: RestoreOptions
) -> Loaded:
    """Restore the database, its keys and the CA. All of them, or nothing.

    Raises:
        UserError: why not, and what to do.
    """
    data_dir = ensure_data_dir(settings)
    try:
        with alone_in(data_dir):
            return await _restore(file, settings, wrapping, options, data_dir)
    except BlockingIOError:
        raise UserError(f"another restore into {data_dir} is running: wait for it") from None


async def _restore(
    file: Path,
    settings: Settings,
    wrapping: KeyWrapping,
    options: RestoreOptions,
    data_dir: Path,
) -> Loaded:
    location = locate(settings.store_url)
    # The files are in place before the commit, and removed again if it fails.
    with file.open("rb") as source, ExitStack() as in_place:
        header, records = read_records(source, wrapping)
        async with _target(location, options) as target:
            loader = Loader(target, audit=options.audit)
            await loader.begin(header.schema, replace=options.replace)
            files, keys = await _load(loader, records)
            keyring = _keyring(settings, keys)
            loaded = await loader.finish(
                keyring,
                keep_sessions=options.keep_sessions,
                revoke_tokens=options.revoke_tokens,
            )
            places = [(data_dir / one.path, one) for one in files if one.root == "data"]
            if settings.store.encryption_keys is None:
                key_file = SavedFile("data", KEY_FILE, keys.encode() + b"\n")
                places.append((data_dir / KEY_FILE, key_file))
            in_place.enter_context(placed(places, replace=options.replace))
    return loaded


async def _load(loader: Loader, records: Iterator[dict[str, Any]]) -> tuple[list[SavedFile], str]:
    """Store the rows. Return the files, and the encryption keys."""
    files: list[SavedFile] = []
    keys = ""
    ended = False
    for record in records:
        if record["kind"] == "file":
            files.append(SavedFile.of(record))
        elif record["kind"] == "keys":
            keys = str(record["keys"]).strip()
        elif record["kind"] == "end":
            ended = True
            loaded = loader.loaded
            check_end(record, Counter({**loaded.rows, **loaded.left_out}), len(files))
        else:
            await loader.add(record)
    if not ended:
        raise UnusableBackup("the backup has no end")
    return files, keys


def _keyring(settings: Settings, keys: str) -> Keyring:
    configured = settings.store.encryption_keys
    try:
        return Keyring.parse(configured.get_secret_value() if configured is not None else keys)
    except ValueError as exc:
        raise UserError(str(exc)) from None


@asynccontextmanager
async def _target(location: Location, options: RestoreOptions) -> AsyncIterator[Target]:
    """Return the database to fill. SQLite's files are filled elsewhere, and renamed at the end."""
    if location.file is None:
        async with open_target(location) as target:
            yield target
        return
    events = location.beside("audit")
    replaced = (location, events) if options.audit else (location,)
    for one in replaced:
        await _refuse(one, options)
    with unfinished_folder(location.file) as folder:
        temporary = location.renamed(folder / location.file.name)
        async with open_target(temporary) as target:
            yield target
        for one in replaced:  # A server may have started meanwhile.
            await _refuse(one, options)
        # The events first: without the database, nothing reads them.
        if target.has_events:
            _replace(events, temporary.beside("audit"))
        _replace(location, temporary)


async def _refuse(location: Location, options: RestoreOptions) -> None:
    """Raise UserError if SQLite's file exists and may not be replaced, or is in use."""
    assert location.file is not None
    if not location.file.exists():
        for rest in _of_database(location.file)[1:]:
            if rest.exists() and not options.replace:
                raise UserError(
                    f"{rest} exists without its database: it has that one's last changes, and "
                    "would damage a restored one. Move it to where that database is, or add "
                    "--replace"
                )
        return
    if not options.replace:
        raise UserError(f"{location.shown} exists: move it away, or add --replace")
    await refuse_use(location)


def _of_database(file: Path) -> list[Path]:
    """Return SQLite's file, and those in which it has changes that were not merged."""
    return [file, *(file.with_name(f"{file.name}{end}") for end in ("-wal", "-shm", "-journal"))]


def _replace(location: Location, temporary: Location) -> None:
    """Give SQLite's temporary file its name, and set aside those of the database that had it."""
    file = location.file
    assert file is not None
    assert temporary.file is not None
    aside = _of_database(set_aside_name(file))
    for one, name in zip(_of_database(file), aside, strict=True):
        if one.exists():
            rename(one, name)
    rename(temporary.file, file)
