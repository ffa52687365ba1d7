"""Database URLs in ``store.url``, and the parameters for drivers. Pure."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

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


_HOST_LIST = re.compile(r"(?P<before>postgres(?:ql)?://(?:[^@/?]*@)?)(?P<hosts>[^/?@]*,[^/?@]*)")
"""The start of a URL with several hosts, as libpq accepts it: ``postgresql://user@a:5432,b``."""

_HOST = re.compile(r"(?:\[([^\]]+)\]|([^:\[\]/]+|/[^:]*))(?::([0-9]+))?")
"""An IPv6 address in brackets, a name, or a socket's folder; and maybe a port."""

DEFAULT_PORT = 5432


@dataclass(frozen=True, slots=True)
class Host:
    """A server of PostgreSQL: a name, an address or a socket's folder, and a port."""

    name: str
    port: int


@dataclass(frozen=True, slots=True)
class Location:
    """The location of the database. ``shown`` has no password, for logs and errors.

    ``url`` is SQLAlchemy's; ``dsn`` is what asyncpg itself takes (PostgreSQL only); ``file`` is
    SQLite's file, None for PostgreSQL. ``needed`` are files that must exist already. ``hosts`` are
    the servers, if the URL names several; ``dsn`` then has none.
    """

    kind: Literal["sqlite", "postgresql"]
    url: URL
    shown: str
    dsn: str | None = None
    file: Path | None = None
    needed: tuple[Path, ...] = ()
    hosts: tuple[Host, ...] = ()

    def beside(self, purpose: str) -> "Location":
        """Return another file of SQLite in the same folder: ``x.db`` → ``x-audit.db``."""
        assert self.file is not None
        return self.renamed(self.file.with_name(f"{self.file.stem}-{purpose}{self.file.suffix}"))

    def renamed(self, file: Path) -> "Location":
        """Return another file of SQLite."""
        url = self.url.set(database=str(file))
        return Location("sqlite", url, f"the database file {file}", file=file)


def locate(text: str) -> Location:
    """Parse a URL: ``sqlite:///file.db``, ``sqlite:////abs/file.db`` or ``postgresql://…``.

    PostgreSQL's query parameters are libpq's (``sslmode``, ``sslrootcert``, ``host`` for a socket's
    folder). It may have several hosts: ``postgresql://user@a:5432,b:5432/database``. Raises
    StoreError, without the URL's password, for anything else.
    """
    listed = _HOST_LIST.match(text)
    try:
        url = make_url(_HOST_LIST.sub(r"\g<before>", text) if listed else text)
    except (ArgumentError, ValueError):
        raise StoreError("store.url is not a database URL; see docs/store.md") from None
    if url.drivername == "sqlite":
        return _sqlite(url)
    if url.drivername in _POSTGRESQL:
        return _postgresql(url, listed["hosts"] if listed else "")
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


def _postgresql(url: URL, listed: str) -> Location:
    """Return the location; only asyncpg gets the query. ``listed`` are hosts of the authority."""
    if "@" in (url.host or ""):  # A part of the password would be shown as the host.
        raise StoreError("store.url: the password has an @; write that as %40")
    unknown = sorted(url.query.keys() - _PARAMETERS)
    if unknown:
        raise StoreError(f"store.url: the parameter {unknown[0]!r} is not supported")
    query = {name: str(value) for name, value in url.query.items() if isinstance(value, str)}
    if repeated := sorted(url.query.keys() - query.keys()):
        raise StoreError(f"store.url: the parameter {repeated[0]!r} is there twice")
    mode = query.get("sslmode", "prefer")
    if mode not in _SSL_MODES:
        raise StoreError(f"store.url: sslmode must be one of {', '.join(_SSL_MODES)}")
    socket = query.get("host")
    hosts = _hosts(listed or socket or "", query.get("port", ""))
    if hosts:
        for name in ("host", "port"):
            query.pop(name, None)
        query.setdefault("target_session_attrs", "read-write")
        url = url.set(query=query)
    # A new URL, because setting the password to None would keep it.
    bare = URL.create("postgresql+asyncpg", url.username, None, url.host, url.port, url.database)
    shown = bare.render_as_string().removeprefix("postgresql+asyncpg://")
    places = ", ".join(f"{host.name}:{host.port}" for host in hosts) or socket
    return Location(
        "postgresql",
        bare,
        f"the database {shown}" + (f" at {places}" if places else ""),
        dsn=url.set(drivername="postgresql").render_as_string(hide_password=False),
        needed=tuple(Path(query[name]) for name in _FILES if name in query),
        hosts=hosts,
    )


def _hosts(listed: str, port: str) -> tuple[Host, ...]:
    """Return the servers of a list like ``a:5432,[::1],c``; none unless there are several.

    ``port`` is that of all hosts without one, or a list of as many as hosts (libpq).
    """
    names = listed.split(",")
    if len(names) == 1:
        return ()
    ports = port.split(",") if port else [str(DEFAULT_PORT)]
    if len(ports) == 1:
        ports *= len(names)
    if len(ports) != len(names):
        raise StoreError(f"store.url: {len(names)} hosts have {len(ports)} ports")
    return tuple(map(_host, names, ports))


def _host(text: str, port: str) -> Host:
    found = _HOST.fullmatch(text)
    number = (found[3] if found else None) or port
    if found is None or not number.isascii() or not number.isdecimal() or int(number) > 65535:
        raise StoreError("store.url: a host must be a name, name:port, or [IPv6 address]:port")
    return Host(unquote(found[1] or found[2]), int(number))
