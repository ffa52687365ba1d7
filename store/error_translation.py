"""Translate errors of SQLAlchemy and of the database drivers to the store's errors."""

import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc as sql

from store.errors import Conflict, RecordNotFound, StoreUnavailable

_POSTGRESQL = {
    "25006": "it is read-only; name the primary server in store.url",
    "25P03": "a transaction waited too long for its next statement; this process was too slow",
    "28000": "PostgreSQL rejects this user from this host; see its pg_hba.conf",
    "28P01": "the user name or password is wrong",
    "3D000": "the database does not exist; create it, or correct store.url",
    "42501": "its user lacks permission; allow it to create tables in the schema",
    "53100": "its disk is full",
    "53300": "PostgreSQL has no connection left; raise its max_connections",
    "57P01": "PostgreSQL is shutting down",
    "57P02": "PostgreSQL has crashed and is restarting",
    "57P03": "PostgreSQL is starting up or shutting down",
}
"""By SQLSTATE."""

_SQLITE = {
    "SQLITE_BUSY": "it is locked by another process; stop that process, or try again",
    "SQLITE_CANTOPEN": "it cannot be opened; let this user read and write the file and its folder",
    "SQLITE_CORRUPT": "the file is damaged; restore a backup",
    "SQLITE_FULL": "the disk is full",
    "SQLITE_IOERR": "the disk failed to read or write it",
    "SQLITE_NOTADB": "the file is not a SQLite database; name another in store.url",
    "SQLITE_READONLY": "it is read-only; let this user write the file and its folder",
}
"""By error name. Extended names begin with one of these."""

_NO_PRIMARY = "TargetServerAttributeNotMatched"

_NO_SUCH_PARENT = ("23503", "SQLITE_CONSTRAINT_FOREIGNKEY")


def _failures() -> tuple[type[Exception], ...]:
    """Return the exceptions of databases and their drivers."""
    return (
        sql.SQLAlchemyError,
        *_of("asyncpg", "PostgresError", "InterfaceError", _NO_PRIMARY),
        *_of("sqlite3", "Error"),
        OSError,
    )


def _of(driver: str, *names: str) -> tuple[type[Exception], ...]:
    """Return a driver's exceptions; none if the driver is not imported, to save its import."""
    module = sys.modules.get(driver)
    return tuple(getattr(module, name) for name in names) if module is not None else ()


@contextmanager
def translated(shown: str) -> Iterator[None]:
    """Translate exceptions to Conflict, RecordNotFound or StoreUnavailable.

    ``shown`` names the database. A value that cannot be stored stays a ValueError.
    """
    try:
        yield
    except sql.IntegrityError as exc:
        if _code(exc.orig) in _NO_SUCH_PARENT:
            raise RecordNotFound("the parent of the record does not exist") from exc
        raise Conflict("a record with that name or key exists already") from exc
    except _failures() as exc:
        original = exc.orig if isinstance(exc, sql.StatementError) and exc.orig else exc
        if isinstance(original, ValueError) and not isinstance(
            original, _of("asyncpg", "InterfaceError")
        ):
            raise ValueError(str(original)) from exc
        raise StoreUnavailable(f"{shown} is not usable: {_explained(original)}") from exc


def _explained(exc: BaseException) -> str:
    """Return one sentence for an operator, without SQL, parameters and secrets."""
    code = _code(exc)
    if code in _POSTGRESQL:
        return _POSTGRESQL[code]
    for name, hint in _SQLITE.items():
        if code.startswith(name):
            return hint
    if isinstance(exc, sql.TimeoutError):
        return "all connections are busy"
    # SQLAlchemy wraps asyncpg's exceptions in classes of its own.
    cause = exc.__cause__ or exc
    if isinstance(cause, _of("asyncpg", _NO_PRIMARY)):
        return "no server that responds accepts writes; promote a standby, or correct store.url"
    if isinstance(cause, _of("asyncpg", "ClientConfigurationError")):
        # Its first line names parameters and files, never the password. The second is a hint.
        return f"store.url: {str(cause).partition(chr(10))[0]}"
    if isinstance(exc, OSError):
        return _network(exc)
    # Drivers' messages may quote values, so only class and code are reported.
    return f"the database failed ({type(exc).__name__}{f' {code}' if code else ''})"


def _network(exc: OSError) -> str:
    message = str(exc)
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"its TLS certificate cannot be verified: {exc.verify_message}"
    if "rejected SSL" in message:
        return "it offers no TLS, and sslmode requires it"
    if isinstance(exc, socket.gaierror):
        return "its host name cannot be resolved"
    if (
        isinstance(exc, FileNotFoundError | ConnectionRefusedError)
        or "Connect call failed" in message
    ):
        return "nothing listens there; start PostgreSQL, or correct store.url"
    if isinstance(exc, TimeoutError):
        return "it did not respond in time"
    if isinstance(exc, PermissionError):
        return "permission denied; let this user read and write the file and its folder"
    return f"the connection failed ({exc.strerror or type(exc).__name__})"


def _code(exc: BaseException | None) -> str:
    """Return the SQLSTATE or SQLite's error name; empty if there is neither."""
    return getattr(exc, "sqlstate", None) or getattr(exc, "sqlite_errorname", None) or ""
