"""Backups of both databases, restored into both."""

import stat
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from config.errors import UserError
from config.settings import Settings
from proxy.backup.archive import ArchiveWriter, UnusableBackup
from proxy.backup.create import verify_backup, write_backup
from proxy.backup.files import SavedFile, data_files
from proxy.backup.key_wrapping import PassphraseWrapping
from proxy.backup.restore import RestoreOptions, restore_backup
from store.database import open_store, upgrade_database
from store.encryption import Keyring, generate_key
from store.errors import Conflict, KeyMismatch, SchemaTooNew, StoreUnavailable
from store.locations import locate
from store.schema import HEAD
from store.transfer.dump import OF_PROCESSES, dump
from store.transfer.snapshot import open_snapshot
from tests.store.direct_access import execute, rows, tables
from tests.store.transfer.full_database import fill
from tests.support.other_connection import other_connection

WRAPPING = PassphraseWrapping("correct horse battery")
KEY = generate_key()
KEYRING = Keyring.parse(KEY)


@pytest.fixture(params=["sqlite", "postgresql"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database to back up."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'sekisho.db'}"
    return str(request.getfixturevalue("postgres_database"))


@pytest.fixture
def old_data(tmp_path: Path) -> Path:
    folder = tmp_path / "old"
    (folder / "tls").mkdir(parents=True)
    (folder / "tls" / "ca.crt").write_text("the CA")
    (folder / "tls" / "ca.key").write_text("its key")
    return folder


def _settings(tmp_path: Path, url: str = "") -> Settings:
    store = {"url": url} if url else {}
    return Settings.model_validate({"data_dir": tmp_path / "new", "store": store})


async def _backup(tmp_path: Path, url: str, data: Path) -> Path:
    file = tmp_path / "backup"
    await write_backup(file, url, KEY, lambda: data_files(data), WRAPPING)
    return file


async def _records(url: str) -> list[dict[str, Any]]:
    async with open_snapshot(locate(url)) as snapshot:
        return [one async for one in dump(snapshot)]


async def _content(url: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in await _records(url):
        if one["kind"] == "rows" and one["table"] != "clusters":  # which are held
            found.setdefault(one["table"], []).extend(map(repr, one["rows"]))
    return {name: sorted(values) for name, values in found.items()}


async def test_backup_is_restored_into_either_database(
    source: str, old_data: Path, tmp_path: Path, postgres_database: str
) -> None:
    await fill(source, KEYRING)
    before = await _content(source)
    file = await _backup(tmp_path, source, old_data)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for hidden in (b"alice", b"the CA", KEY.encode()):
        assert hidden not in file.read_bytes()
    summary = verify_backup(file, WRAPPING)
    assert not summary.rows.keys() & OF_PROCESSES
    assert summary.rows["audit_events"] == 4
    assert summary.files == ["tls/ca.crt", "tls/ca.key"]
    other = "" if source == postgres_database else postgres_database
    settings = _settings(tmp_path, other)
    loaded = await restore_backup(file, settings, WRAPPING, RestoreOptions(keep_sessions=True))
    assert loaded.rows == summary.rows
    assert await _content(settings.store_url) == before
    restored = settings.data_dir
    assert (restored / "tls" / "ca.key").read_text() == "its key"
    for private in (restored / "tls" / "ca.key", restored / "encryption.key"):
        assert stat.S_IMODE(private.stat().st_mode) == 0o600
    store = await open_store(settings.store_url, KEYRING)
    try:
        cluster = await store.clusters.get("c-prod")
        assert cluster is not None
        assert cluster.controller_token == "controller-secret"
        assert cluster.held_since is not None
    finally:
        await store.close()


async def _fails_without_traces(
    tmp_path: Path, file: Path, error: type[Exception], message: str, settings: Settings
) -> None:
    with pytest.raises(error, match=message):
        await restore_backup(file, settings, WRAPPING, RestoreOptions())
    assert not [one for one in settings.data_dir.rglob("*") if one.is_file()]


async def test_damaged_backup_leaves_nothing(tmp_path: Path, old_data: Path) -> None:
    url = f"sqlite:///{tmp_path / 'sekisho.db'}"
    await fill(url, KEYRING, rows=600)
    file = await _backup(tmp_path, url, old_data)
    content = file.read_bytes()
    file.write_bytes(content[: len(content) - 100])
    with pytest.raises(UnusableBackup, match="damaged"):
        verify_backup(file, WRAPPING)
    settings = _settings(tmp_path)
    await _fails_without_traces(tmp_path, file, UnusableBackup, "damaged", settings)


async def test_database_and_files_that_exist_are_kept_without_replace(
    source: str, tmp_path: Path, old_data: Path
) -> None:
    await fill(source, KEYRING)
    file = await _backup(tmp_path, source, old_data)
    settings = _settings(tmp_path, source)
    error, message = (
        (UserError, "exists: move it away") if "sqlite" in source else (Conflict, "--replace")
    )
    await _fails_without_traces(tmp_path, file, error, message, settings)
    await execute(source, "DELETE FROM tokens")
    (settings.data_dir / "tls").mkdir()
    (settings.data_dir / "tls" / "ca.crt").write_text("another CA")
    with pytest.raises(UserError, match=r"ca.crt exists and differs"):
        await restore_backup(
            file, _settings(tmp_path, f"sqlite:///{tmp_path / 'x.db'}"), WRAPPING, RestoreOptions()
        )
    assert not (tmp_path / "x.db").exists()
    options = RestoreOptions(replace=True, revoke_tokens=True)
    loaded = await restore_backup(file, settings, WRAPPING, options)
    assert loaded.tokens_revoked == 4
    [aside] = (settings.data_dir / "tls").glob("ca.crt.before-restore-*")
    assert aside.read_text() == "another CA"
    assert await rows(source, "SELECT count(*) FROM users") == [(4,)]


async def test_second_restore_keeps_what_the_first_one_set_aside(
    tmp_path: Path, old_data: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'sekisho.db'}"
    await fill(url, KEYRING)
    file = await _backup(tmp_path, url, old_data)
    settings, options = _settings(tmp_path), RestoreOptions(replace=True)
    await restore_backup(file, settings, WRAPPING, options)
    for content in ("first key", "second key"):
        (settings.data_dir / "encryption.key").write_text(content)
        await restore_backup(file, settings, WRAPPING, options)
    kept = settings.data_dir.glob("encryption.key.before-restore-*")
    assert {one.read_text() for one in kept} == {"first key", "second key"}
    assert len(list(settings.data_dir.glob("sekisho.db.before-restore-*"))) == 2


async def test_changes_of_a_database_that_was_moved_away_are_not_merged(
    tmp_path: Path, old_data: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'sekisho.db'}"
    await fill(url, KEYRING)
    file = await _backup(tmp_path, url, old_data)
    settings = _settings(tmp_path)
    settings.data_dir.mkdir()
    await fill(settings.store_url, KEYRING)
    rest = await _without_database(settings.data_dir / "sekisho.db")
    before = rest.read_bytes()
    with pytest.raises(UserError, match=r"sekisho.db-wal exists without its database"):
        await restore_backup(file, settings, WRAPPING, RestoreOptions())
    assert rest.read_bytes() == before
    await restore_backup(file, settings, WRAPPING, RestoreOptions(replace=True))
    names = await rows(settings.store_url, "SELECT DISTINCT display_name FROM users")
    assert ("stale",) not in names
    assert await rows(settings.store_url, "PRAGMA integrity_check") == [("ok",)]
    [aside] = settings.data_dir.glob("sekisho.db.before-restore-*-wal")
    assert aside.read_bytes() == before


async def _without_database(file: Path) -> Path:
    """Delete a database, but not the changes of a process that was killed. Return their file."""
    rest = file.with_name(f"{file.name}-wal")
    async with other_connection(file) as connection:
        await connection.execute("PRAGMA wal_autocheckpoint = 0")
        await connection.execute("UPDATE users SET display_name = 'stale'")
        content = rest.read_bytes()
    file.unlink()
    rest.write_bytes(content)
    return rest


async def test_database_in_use_is_not_replaced(source: str, tmp_path: Path, old_data: Path) -> None:
    store = await open_store(source, KEYRING)
    try:
        file = await _backup(tmp_path, source, old_data)
        with pytest.raises(StoreUnavailable, match="in use"):
            await restore_backup(
                file, _settings(tmp_path, source), WRAPPING, RestoreOptions(replace=True)
            )
    finally:
        await store.close()


async def test_other_configured_keys_are_refused(tmp_path: Path, old_data: Path) -> None:
    url = f"sqlite:///{tmp_path / 'sekisho.db'}"
    await fill(url, KEYRING)
    file = await _backup(tmp_path, url, old_data)
    settings = Settings.model_validate(
        {"data_dir": tmp_path / "new", "store": {"encryption_keys": generate_key()}}
    )
    await _fails_without_traces(tmp_path, file, KeyMismatch, "none of the encryption", settings)


def _rewritten(file: Path, records: list[dict[str, Any]], schema: str) -> None:
    """Write a backup as another version would."""
    counted: Counter[str] = Counter()
    with file.open("wb") as output:
        archive = ArchiveWriter(output, schema, WRAPPING)
        archive.write({"kind": "keys", "keys": KEY})
        for one in records:
            archive.write(one)
            name, number = (
                (one["table"], len(one["rows"])) if one["kind"] == "rows" else (one["name"], 0)
            )
            counted[name] += number
        archive.write({"kind": "end", "rows": dict(counted), "files": 0})
        archive.finish()


def _without(records: list[dict[str, Any]], table: str, column: str) -> None:
    """Remove a column from records."""
    [shape] = [one for one in records if one["kind"] == "table" and one["name"] == table]
    position = [name for name, _ in shape["columns"]].index(column)
    del shape["columns"][position]
    for one in records:
        if one["kind"] == "rows" and one["table"] == table:
            for row in one["rows"]:
                del row[position]


async def test_backup_of_an_older_schema_is_migrated(
    tmp_path: Path, postgres_database: str
) -> None:
    url = f"sqlite:///{tmp_path / 'sekisho.db'}"
    await fill(url, KEYRING)
    records = await _records(url)
    _without(records, "clusters", "held_since")
    later = {"management_clusters", "orders"}
    records = [one for one in records if later.isdisjoint({one.get("name"), one.get("table")})]
    file = tmp_path / "older"
    _rewritten(file, records, "0019")
    for settings in (_settings(tmp_path), _settings(tmp_path, postgres_database)):
        loaded = await restore_backup(file, settings, WRAPPING, RestoreOptions())
        assert loaded.clusters_held == 4
        found = await rows(settings.store_url, "SELECT version_num FROM alembic_version")
        assert found == [(HEAD,)]


async def test_backup_of_a_newer_schema_is_refused(tmp_path: Path, postgres_database: str) -> None:
    file = tmp_path / "newer"
    _rewritten(file, [], "9999")
    await _fails_without_traces(
        tmp_path, file, SchemaTooNew, "newer Sekisho", _settings(tmp_path, postgres_database)
    )
    assert await tables(postgres_database) == set()


async def test_backup_is_of_one_moment(tmp_path: Path, source: str) -> None:
    await upgrade_database(source)
    store = await open_store(source, KEYRING)
    try:
        async with open_snapshot(locate(source)) as snapshot:
            await execute(source, "INSERT INTO secrets (name, value) VALUES ('new', '')")
            found = [one async for one in dump(snapshot)]
        names = [row[0] for one in found if one.get("table") == "secrets" for row in one["rows"]]
        assert names == ["keyring-check"]
    finally:
        await store.close()


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x"])
def test_path_outside_of_its_folder_is_refused(path: str) -> None:
    record = SavedFile("data", "x", b"").record() | {"path": path}
    with pytest.raises(UserError, match="invalid path"):
        SavedFile.of(record)
