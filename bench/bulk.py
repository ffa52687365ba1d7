"""Fill the benchmark's store with a million users in seconds, directly in SQLite's tables.

With :mod:`bench.seed`, one user at a time, it would take an hour. The rows are those that Sekisho
would write: each user has a principal, a token and a group, and a role by that group.
"""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

from store.encryption import Keyring
from store.tables import clusters

GROUP = "bench_group://all-users"
"""The group of all bulk users. Its role grants access to the benchmark's cluster."""

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
        "printf('u-%010d', i), 'bench', :bench_group, 'all-users'"
    ),
    "tokens (name, kind, digest, user_id, principal_id, description, created_at, clusters,"
    " projects, read_only)": (
        "'token-' || i, 'token', digest(i), printf('u-%010d', i), printf('local://u-%010d', i),"
        " '', :at, '[]', '[]', 0"
    ),
}


def token(number: int | str) -> str:
    """Return the bearer token of the bulk user with that number."""
    return f"token-{number}:{SECRET}"


def grant_all_users(database: Path) -> None:
    """Give the group of all users a role in the benchmark's cluster."""
    with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        connection.execute(
            "INSERT INTO bindings (id, role_id, group_id, name, cluster_id, subject, target,"
            " created_at) VALUES ('b-bench', 'cluster-member', :group, 'all-users', 'c-bench',"
            " :group, 'c-bench', :at)",
            {"group": GROUP, "at": _AT},
        )


def add_users(database: Path, first: int, until: int) -> None:
    """Add the users from ``first`` to before ``until``, each with a token, in one transaction."""
    values = {"first": first, "until": until, "at": _AT, "bench_group": GROUP}
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        connection.create_function("digest", 1, _digest, deterministic=True)
        # The benchmark's data need not survive a power failure.
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
    """Add copies of the benchmark's cluster, ``more-<first>`` to before ``more-<until>``."""
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
    """Add a bulk user to ``groups`` further groups, named as GitHub names teams."""
    user = f"u-{number:010d}"
    rows = [
        (user, "bench", f"github_team://{1_000_000 + one}", f"acme/team-{one}")
        for one in range(groups)
    ]
    with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        connection.executemany("INSERT INTO memberships VALUES (?, ?, ?, ?)", rows)


def _digest(number: int) -> bytes:
    return hashlib.sha256(token(number).encode()).digest()
