"""Names of backups in a folder, and which of them are old enough to be deleted. Pure."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

LEAST_KEPT = 7
"""Backups that are kept however old they are: by a wrong clock, every backup is too old."""

_FORMAT = "sekisho-%Y%m%dT%H%M%SZ.backup"
_NAME = re.compile(r"sekisho-[0-9]{8}T[0-9]{6}Z\.backup")


def name_at(now: datetime) -> str:
    """Return the name of the backup that is made now: ``sekisho-20261130T031700Z.backup``."""
    return now.astimezone(UTC).strftime(_FORMAT)


def expired(names: Iterable[str], now: datetime, keep: timedelta) -> list[str]:
    """Return the names of backups that were made longer than ``keep`` ago, oldest first.

    The newest LEAST_KEPT are never among them. Their names count, not the times of the files,
    because a copy has another time. Other files never count.
    """
    made = ((_made_at(one), one) for one in names if _NAME.fullmatch(one))
    oldest_first = sorted((time, one) for time, one in made if time is not None)
    return [one for time, one in oldest_first[:-LEAST_KEPT] if time < now - keep]


def _made_at(name: str) -> datetime | None:
    try:
        return datetime.strptime(name, _FORMAT).replace(tzinfo=UTC)
    except ValueError:  # Digits that are no time: not a backup.
        return None
