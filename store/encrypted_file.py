"""Check for encrypted values in a SQLite database, before a new key is generated."""

import sqlite3
from contextlib import closing
from pathlib import Path

from store.errors import StoreUnavailable

_QUERY = "SELECT count(*) FROM secrets"


def holds_secrets(file: Path) -> bool:
    """Return whether the database in ``file`` was opened with a key before.

    False for a database without Sekisho's tables, and for other files: opening them fails later.
    Raises StoreUnavailable if another process has locked it.
    """
    if not file.exists() or file.stat().st_size == 0:
        return False
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as database:
            return bool(database.execute(_QUERY).fetchone()[0])
    except sqlite3.OperationalError as exc:
        if "locked" in str(exc):
            raise StoreUnavailable(f"{file} is locked by another process") from exc
        return False
    except sqlite3.DatabaseError:
        return False
