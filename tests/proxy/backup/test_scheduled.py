"""Backups in a folder: their names, and which of them are deleted."""

from datetime import UTC, datetime, timedelta, timezone

from proxy.backup.scheduled import expired, name_at

NOW = datetime(2026, 11, 30, 3, 17, tzinfo=UTC)


def test_name_has_the_time_in_utc() -> None:
    assert name_at(NOW) == "sekisho-20261130T031700Z.backup"
    assert name_at(NOW.astimezone(timezone(timedelta(hours=9)))) == name_at(NOW)


def test_only_backups_older_than_kept_are_expired() -> None:
    names = [name_at(NOW - timedelta(days=days)) for days in (0, 29, 30, 31, 400)]
    assert expired(names, NOW, timedelta(days=30)) == [names[4], names[3]]


def test_other_files_never_expire() -> None:
    others = [
        *("sekisho-2020", "notes.txt", "sekisho-20200101T000000Z.backup.copy"),
        *("sekisho-20209901T000000Z.backup", "x-sekisho-20200101T000000Z.backup"),
    ]
    assert expired(others, NOW, timedelta(days=1)) == []
