"""Events of the audit search in backups, and in what is restored from them."""

from dataclasses import replace
from pathlib import Path

import pytest

from config.errors import UserError
from proxy.backup.archive import ArchiveWriter
from proxy.backup.create import Summary, verify_backup, write_backup
from proxy.backup.restore import RestoreOptions, restore_backup
from store.audit_records import AuditEvent, AuditFilter, AuditScope
from store.database import open_store
from store.errors import StoreError
from store.schema import HEAD
from tests.proxy.backup.test_restore import KEY, KEYRING, WRAPPING, _settings
from tests.proxy.backup.test_restore import source as source
from tests.store.test_audit_events import an_event
from tests.store.transfer.full_database import fill

EVERYTHING = AuditScope(everything=True)
OTHER_TABLES = ("users", "clusters", "tokens", "bindings")


async def _append(url: str, *events: AuditEvent) -> None:
    store = await open_store(url, KEYRING)
    try:
        await store.audit.append(events)
    finally:
        await store.close()


async def _events(url: str) -> list[AuditEvent]:
    """Return the events that a search finds, newest first."""
    store = await open_store(url, KEYRING)
    try:
        page = await store.audit.page(EVERYTHING, AuditFilter(), limit=100, after=None)
        return list(page.events)
    finally:
        await store.close()


async def _written(tmp_path: Path, url: str, *, audit: bool = True) -> Path:
    file = tmp_path / f"backup-{audit}"
    await write_backup(file, url, KEY, lambda: (), WRAPPING, audit=audit)
    return file


async def test_restored_search_finds_the_events_and_numbers_new_ones_after_them(
    source: str, tmp_path: Path, postgres_database: str
) -> None:
    await fill(source, KEYRING)
    before = await _events(source)
    assert len(before) == 4
    file = await _written(tmp_path, source)
    other = "" if source == postgres_database else postgres_database
    settings = _settings(tmp_path, other)
    loaded = await restore_backup(file, settings, WRAPPING, RestoreOptions())
    assert loaded.rows["audit_events"] == 4
    assert await _events(settings.store_url) == before
    await _append(settings.store_url, an_event(name="afterwards"))
    [new] = [one for one in await _events(settings.store_url) if one.name == "afterwards"]
    assert new.seq > max(one.seq for one in before)


async def test_events_are_left_out_at_backup_or_restore(
    source: str, tmp_path: Path, postgres_database: str
) -> None:
    await fill(source, KEYRING)
    without = verify_backup(await _written(tmp_path, source, audit=False), WRAPPING)
    assert "audit_events" not in without.rows
    file = await _written(tmp_path, source)
    complete = verify_backup(file, WRAPPING)
    assert {name: complete.rows[name] for name in OTHER_TABLES} == {
        name: without.rows[name] for name in OTHER_TABLES
    }
    settings = _settings(tmp_path, "" if source == postgres_database else postgres_database)
    loaded = await restore_backup(file, settings, WRAPPING, RestoreOptions(audit=False))
    assert loaded.rows == without.rows
    assert loaded.left_out == {"audit_events": 4}
    assert await _events(settings.store_url) == []


async def test_file_of_newer_events_is_set_aside_or_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'sekisho.db'}"
    await fill(url, KEYRING)
    file = await _written(tmp_path, url)
    await _append(url, an_event(name="after-the-backup"))
    newer = await _events(url)
    settings = _settings(tmp_path, url)
    kept = RestoreOptions(replace=True, audit=False)
    await restore_backup(file, settings, WRAPPING, kept)
    assert await _events(url) == newer
    await restore_backup(file, settings, WRAPPING, replace(kept, audit=True))
    assert len(await _events(url)) == len(newer) - 1
    [aside] = tmp_path.glob("sekisho-audit.db.before-restore-*")
    aside.rename(tmp_path / "sekisho-audit.db")
    assert await _events(url) == newer


async def test_file_of_events_without_database_is_not_replaced(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'sekisho.db'}"
    await fill(url, KEYRING)
    file = await _written(tmp_path, url)
    (tmp_path / "sekisho.db").unlink()
    with pytest.raises(UserError, match=r"sekisho-audit\.db exists: move it away"):
        await restore_backup(file, _settings(tmp_path, url), WRAPPING, RestoreOptions())
    assert not (tmp_path / "sekisho.db").exists()


async def test_events_of_another_form_are_refused_with_a_way_around(tmp_path: Path) -> None:
    columns = [["seq", "integer"], ["at", "time"]]
    file = tmp_path / "other"
    rows = Summary().rows
    with file.open("wb") as output:
        archive = ArchiveWriter(output, HEAD, WRAPPING)
        archive.write({"kind": "keys", "keys": KEY})
        archive.write({"kind": "table", "name": "audit_events", "columns": columns, "key": ["seq"]})
        rows["audit_events"] += 0
        archive.write({"kind": "end", "rows": dict(rows), "files": 0})
        archive.finish()
    settings = _settings(tmp_path)
    with pytest.raises(StoreError, match="restore with --without-audit"):
        await restore_backup(file, settings, WRAPPING, RestoreOptions())
    await restore_backup(file, settings, WRAPPING, RestoreOptions(audit=False))
