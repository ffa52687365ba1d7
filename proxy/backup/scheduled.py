"""Names of backups in a folder, and which of them are old enough to be deleted. Pure."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

_FORMAT = "sekisho-%Y%m%dT%H%M%SZ.backup"
_NAME = re.compile(r"sekisho-[0-9]{8}T[0-9]{6}Z\.backup")


def name_at(now: datetime) -> str:
    """Return the name of the backup that is made now: ``sekisho-20261130T031700Z.backup``."""
    return now.astimezone(UTC).strftime(_FORMAT)


def expired(names: Iterable[str], now: datetime, keep: timedelta) -> list[str]:
    """Return the names of backups that were made longer than ``keep`` ago, oldest first.

    Their names count, not the times of the files, because a copy has another time. Other files
    never count.
    """
    return sorted(one for one in names if _NAME.fullmatch(one) and _made_at(one) < now - keep)


def _made_at(name: str) -> datetime:
    try:
        return datetime.strptime(name, _FORMAT).replace(tzinfo=UTC)
    except ValueError:  # Digits that are no time: not a backup.
        return datetime.max.replace(tzinfo=UTC)
