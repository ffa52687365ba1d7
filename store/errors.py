"""SQLAlchemy's and the drivers' errors, in the store's own words."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from store.interfaces import Conflict, StoreUnavailable

_HINTS = (
    ("readonly", "it is read-only; make the file and its folder writable for this user"),
    ("locked", "it is locked by another process; stop that, or try again"),
    ("unable to open", "it can't be opened; check that the folder exists and its permissions"),
    ("not a database", "the file is not a SQLite database; name another in store.url"),
    ("malformed", "the file is damaged; restore a backup"),
    ("disk is full", "the disk is full"),
    ("disk I/O", "the disk failed to read or write it"),
    ("password authentication failed", "the user name or password is wrong"),
    ("does not exist", "the database or the role does not exist; create it, or mend store.url"),
    ("refused", "nothing listens there; start PostgreSQL, or mend store.url"),
    ("timeout", "it didn't answer in time"),
    ("no pg_hba.conf entry", "PostgreSQL doesn't let this user in from here (pg_hba.conf)"),
)


@contextmanager
def translated(shown: str) -> Iterator[None]:
    """Raise Conflict or StoreUnavailable for what a database does; ``shown`` says which one."""
    try:
        yield
    except IntegrityError as exc:
        raise Conflict("a record with that name or key exists already") from exc
    except (SQLAlchemyError, OSError, TimeoutError) as exc:
        raise StoreUnavailable(f"{shown} can't be used: {explained(exc)}") from exc


def explained(exc: BaseException) -> str:
    """One sentence for an operator, without SQL, parameters or secrets."""
    original = exc.orig if isinstance(exc, DBAPIError) and exc.orig is not None else exc
    said = f"{type(original).__name__} {original}"
    for part, hint in _HINTS:
        if part.lower() in said.lower():
            return hint
    # Database drivers' messages may quote values; their class says enough.
    return f"the database failed ({type(original).__name__})"
