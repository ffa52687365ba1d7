"""Filling the bench's store with a million users in seconds: straight into SQLite's tables.

One by one, as :mod:`bench.seed` does it, would take an hour. What is written is what Sekisho itself
would have written: each user has a principal, a token and a group, and a role by that group.
"""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

from store.encryption import Keyring
from store.tables import clusters

GROUP = "bench_group://everybody"
"""The group that every bulk user is in: it holds the role that opens the bench's cluster."""

SECRET = "secret"
_AT = "2026-01-01 00:00:00.000000"

_NUMBERS = (
    "WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :until)"
)
_EACH = {
    "users (id, username, display_name, enabled, created_at, revision)": (
        "printf('u-%010d', i), 'user-' || i, 'User ' || i, 1, :at, 1"
    ),
    "principals (id, user_id, provider, name)": (
        "printf('local://u-%010d', i), printf('u-%010d', i), 'local', 'user-' || i"
    ),
    "memberships (user_id, provider, id, name)": (
        "printf('u-%010d', i), 'bench', :bench_group, 'everybody'"
    ),
    "tokens (name, kind, digest, user_id, principal_id, description, created_at, clusters,"
    " projects, read_only)": (
        "'token-' || i, 'token', digest(i), printf('u-%010d', i), printf('local://u-%010d', i),"
        " '', :at, '[]', '[]', 0"
    ),
}


def token(number: int | str) -> str:
    """The bearer of the bulk user with that number."""
    return f"token-{number}:{SECRET}"


def let_everybody_in(database: Path) -> None:
    """Give the group a role in the bench's cluster."""
    with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        connection.execute(
            "INSERT INTO bindings (id, role_id, group_id, name, cluster_id, subject, target,"
            " created_at) VALUES ('b-bench', 'cluster-member', :group, 'everybody', 'c-bench',"
            " :group, 'c-bench', :at)",
            {"group": GROUP, "at": _AT},
        )


def add_users(database: Path, first: int, until: int) -> None:
    """Users ``first`` to before ``until``, each with a token; all or nothing."""
    values = {"first": first, "until": until, "at": _AT, "bench_group": GROUP}
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        connection.create_function("digest", 1, _digest, deterministic=True)
        # Nothing of the bench's has to survive a power cut.
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -500000")
        with connection:
            for table, columns in _EACH.items():
                connection.execute(
                    f"INSERT INTO {table} {_NUMBERS} SELECT {columns} FROM n", values
                )
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("ANALYZE")


def add_clusters(database: Path, keyring: Keyring, first: int, until: int) -> None:
    """Clusters ``more-<first>`` to before ``more-<until>``, each the bench's own once more."""
    own = {"id": ":id", "name": ":name", "impersonator_token": ":token"}
    names = [column.name for column in clusters.columns]
    insert = (
        f"INSERT INTO clusters ({', '.join(names)})"
        f" SELECT {', '.join(own.get(name, name) for name in names)}"
        " FROM clusters WHERE id = 'c-bench'"
    )
    rows = [
        {
            "id": f"c-{one}",
            "name": f"more-{one}",
            "token": keyring.encrypt(SECRET, f"clusters.impersonator_token/c-{one}"),
        }
        for one in range(first, until)
    ]
    with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        connection.executemany(insert, rows)


def put_in_groups(database: Path, number: int, groups: int) -> None:
    """Let a bulk user be in ``groups`` groups more, named as GitHub's teams are."""
    user = f"u-{number:010d}"
    rows = [
        (user, "bench", f"github_team://{1_000_000 + one}", f"acme/team-{one}")
        for one in range(groups)
    ]
    with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        connection.executemany("INSERT INTO memberships VALUES (?, ?, ?, ?)", rows)


def _digest(number: int) -> bytes:
    return hashlib.sha256(token(number).encode()).digest()
