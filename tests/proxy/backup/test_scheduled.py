"""Backups in a folder: their names, and which of them are deleted."""

from datetime import UTC, datetime, timedelta, timezone

from proxy.backup.scheduled import LEAST_KEPT, expired, name_at

NOW = datetime(2026, 11, 30, 3, 17, tzinfo=UTC)


def test_name_has_the_time_in_utc() -> None:
    assert name_at(NOW) == "sekisho-20261130T031700Z.backup"
    assert name_at(NOW.astimezone(timezone(timedelta(hours=9)))) == name_at(NOW)


def named(*days: int) -> list[str]:
    return [name_at(NOW - timedelta(days=one)) for one in days]


def test_only_backups_older_than_kept_are_expired() -> None:
    names = named(*range(10), 29, 30, 31, 400)
    assert expired(names, NOW, timedelta(days=30)) == [names[13], names[12]]


def test_newest_backups_never_expire_whatever_the_clock_says() -> None:
    names = named(*range(60))
    for keep in (timedelta(0), timedelta(days=30)):
        for later in (timedelta(0), timedelta(days=3650)):
            left = set(names) - set(expired(names, NOW + later, keep))
            assert left >= set(names[:LEAST_KEPT])
    assert expired(names[:LEAST_KEPT], NOW + timedelta(days=3650), timedelta(0)) == []


def test_other_files_never_expire_and_are_none_of_the_newest() -> None:
    others = [
        *("sekisho-2020", "notes.txt", "sekisho-20200101T000000Z.backup.copy"),
        *("sekisho-20209901T000000Z.backup", "x-sekisho-20200101T000000Z.backup"),
        *(f"sekisho-2999990{one}T000000Z.backup" for one in range(9)),
    ]
    assert expired(others, NOW, timedelta(days=1)) == []
    names = named(*range(LEAST_KEPT + 1))
    assert expired([*others, *names], NOW, timedelta(0)) == [names[-1]]
