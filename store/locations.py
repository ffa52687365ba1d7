"""Database URLs: what may be said in ``store.url``, and what the drivers are told. Pure."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from store.interfaces import StoreError

_POSTGRESQL = frozenset({"postgresql", "postgres"})
_PASSED_ON = frozenset({"host", "port", "user", "password", "database"})


@dataclass(frozen=True, slots=True)
class Location:
    """Where the database is. ``shown`` is fit for logs and errors: it has no password.

    ``url`` is SQLAlchemy's; ``dsn`` is what asyncpg itself takes (PostgreSQL only); ``file`` is
    SQLite's file, None for PostgreSQL.
    """

    kind: Literal["sqlite", "postgresql"]
    url: URL
    shown: str
    dsn: str | None = None
    file: Path | None = None


def locate(text: str) -> Location:
    """Read a URL: ``sqlite:///file.db``, ``sqlite:////abs/file.db`` or ``postgresql://…``.

    PostgreSQL's query parameters are libpq's (``sslmode``, ``sslrootcert``, ``host`` for a socket's
    folder). Raises StoreError, without the URL's password, for anything else.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise StoreError("store.url is not a database URL; see docs/store.md") from None
    if url.drivername == "sqlite":
        if not url.database or url.database == ":memory:" or url.query:
            raise StoreError("store.url must name a file: sqlite:///sekisho.db, and nothing more")
        return Location(
            "sqlite",
            url.set(drivername="sqlite+aiosqlite"),
            f"the database file {url.database}",
            file=Path(url.database),
        )
    if url.drivername in _POSTGRESQL:
        return _postgresql(url)
    raise StoreError(
        f"store.url: {url.drivername}:// is not supported; use sqlite:/// or postgresql://"
    )


def _postgresql(url: URL) -> Location:
    """SQLAlchemy hands ``ssl`` to asyncpg where libpq says ``sslmode``."""
    dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
    query = dict(url.query)
    mode = query.pop("sslmode", None)
    if mode is not None:
        query["ssl"] = mode
    unknown = query.keys() - _PASSED_ON - {"ssl"}
    if unknown:
        raise StoreError(
            f"store.url: the parameter {sorted(unknown)[0]!r} is not supported; "
            "use sslmode, host or port, and libpq's environment variables for others"
        )
    where = URL.create(
        url.drivername, url.username, None, url.host, url.port, url.database
    ).render_as_string()
    return Location(
        "postgresql",
        url.set(drivername="postgresql+asyncpg", query=query),
        f"the database {where.removeprefix(url.drivername + '://')}",
        dsn=dsn,
    )
