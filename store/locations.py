"""Database URLs in ``store.url``, and the parameters for drivers. Pure."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from store.errors import StoreError

_POSTGRESQL = frozenset({"postgresql", "postgres"})

_PARAMETERS = frozenset(
    {
        *("host", "port", "user", "password", "dbname", "passfile", "service"),
        *("sslmode", "sslcert", "sslkey", "sslpassword", "sslrootcert", "sslcrl"),
        *("sslnegotiation", "ssl_min_protocol_version", "ssl_max_protocol_version"),
        "target_session_attrs",
    }
)
"""libpq's parameters that asyncpg supports. It sends all others to the server as settings."""

_FILES = ("sslrootcert", "sslcert", "sslkey", "passfile")

_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


@dataclass(frozen=True, slots=True)
class Location:
    """The location of the database. ``shown`` has no password, for logs and errors.

    ``url`` is SQLAlchemy's; ``dsn`` is what asyncpg itself takes (PostgreSQL only); ``file`` is
    SQLite's file, None for PostgreSQL. ``needed`` are files that must exist already.
    """

    kind: Literal["sqlite", "postgresql"]
    url: URL
    shown: str
    dsn: str | None = None
    file: Path | None = None
    needed: tuple[Path, ...] = ()

    def beside(self, purpose: str) -> "Location":
        """Return another file of SQLite in the same folder: ``x.db`` → ``x-audit.db``."""
        assert self.file is not None
        file = self.file.with_name(f"{self.file.stem}-{purpose}{self.file.suffix}")
        url = self.url.set(database=str(file))
        return Location("sqlite", url, f"the database file {file}", file=file)


def locate(text: str) -> Location:
    """Parse a URL: ``sqlite:///file.db``, ``sqlite:////abs/file.db`` or ``postgresql://…``.

    PostgreSQL's query parameters are libpq's (``sslmode``, ``sslrootcert``, ``host`` for a socket's
    folder). Raises StoreError, without the URL's password, for anything else.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise StoreError("store.url is not a database URL; see docs/store.md") from None
    if url.drivername == "sqlite":
        return _sqlite(url)
    if url.drivername in _POSTGRESQL:
        return _postgresql(url)
    raise StoreError(
        f"store.url: {url.drivername}:// is not supported; use sqlite:/// or postgresql://"
    )


def _sqlite(url: URL) -> Location:
    if url.host or not url.database or url.database.startswith((":memory:", "file:")) or url.query:
        raise StoreError(
            "store.url must name a file and nothing more: sqlite:///sekisho.db, "
            "or sqlite:////var/lib/sekisho/sekisho.db with four slashes"
        )
    return Location(
        "sqlite",
        url.set(drivername="sqlite+aiosqlite"),
        f"the database file {url.database}",
        file=Path(url.database),
    )


def _postgresql(url: URL) -> Location:
    """Return the location; only asyncpg gets the query, unchanged."""
    unknown = sorted(url.query.keys() - _PARAMETERS)
    if unknown:
        raise StoreError(f"store.url: the parameter {unknown[0]!r} is not supported")
    mode = url.query.get("sslmode", "prefer")
    if mode not in _SSL_MODES:
        raise StoreError(f"store.url: sslmode must be one of {', '.join(_SSL_MODES)}")
    # A new URL, because setting the password to None would keep it.
    bare = URL.create("postgresql+asyncpg", url.username, None, url.host, url.port, url.database)
    socket = url.query.get("host")
    shown = bare.render_as_string().removeprefix("postgresql+asyncpg://")
    return Location(
        "postgresql",
        bare,
        f"the database {shown}" + (f" at {socket}" if socket else ""),
        dsn=url.set(drivername="postgresql").render_as_string(hide_password=False),
        needed=tuple(Path(str(url.query[name])) for name in _FILES if name in url.query),
    )
