"""Upgrade a database to the present schema, or report why that is not possible."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from store.errors import SchemaTooNew, SchemaTooOld

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0022"
"""The newest of ``store/migrations/versions``."""

OLDEST_CODE = "0020"
"""The oldest version, by its HEAD, that works with this version's schema. It is stored in the
database, so that such a version still opens it: beside this one, and after a downgrade."""

_LOCK = 0x5E_15_40
"""PostgreSQL's advisory lock that serializes the migrations of replicas."""


async def bring_up(
    connection: AsyncConnection, shown: str, *, upgrade: bool
) -> tuple[str | None, str]:
    """Migrate inside ``connection``'s transaction. Return the revision before and after.

    Raises SchemaTooNew, and SchemaTooOld where ``upgrade`` is False.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    found = await connection.run_sync(_usable)
    if found is not None:
        return found, found
    return await connection.run_sync(_bring_up, shown, upgrade)


async def create_older(connection: AsyncConnection, revision: str) -> None:
    """Create the schema of ``revision`` in an empty database.

    Raises SchemaTooNew if this version does not know it.
    """
    await connection.run_sync(_create, revision)


def has_schema(connection: Connection) -> bool:
    """Return whether the database has a schema of any version."""
    return inspect(connection).has_table("alembic_version")


def _usable(connection: Connection) -> str | None:
    """Return the schema's revision if this version works with it, as at nearly every start.

    A newer schema is usable if the version that made it says so. Asked without Alembic, for which a
    start would have to wait: it takes a tenth of a second to import, and reads every migration.
    """
    if not has_schema(connection):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    if found == [HEAD]:
        return HEAD
    if len(found) != 1 or str(found[0]) < HEAD:
        return None
    if not inspect(connection).has_table("schema_support"):
        return None
    oldest = connection.execute(text("SELECT oldest_code FROM schema_support")).scalars().all()
    return str(found[0]) if oldest and max(map(str, oldest)) <= HEAD else None


def _create(connection: Connection, revision: str) -> None:
    from alembic import command

    config, known = _migrations(connection)
    if revision not in known:
        raise _too_new(revision, "the backup")
    command.upgrade(config, revision)
    if revision == HEAD:
        _record_support(connection)


def _record_support(connection: Connection) -> None:
    """Store which versions work with this version's schema."""
    connection.execute(text("DELETE FROM schema_support"))
    connection.execute(
        text("INSERT INTO schema_support (oldest_code) VALUES (:oldest)"), {"oldest": OLDEST_CODE}
    )


def _migrations(connection: Connection) -> tuple["Config", set[str]]:
    """Return Alembic's configuration, and all revisions."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", "store:migrations")
    config.attributes["connection"] = connection
    return config, {one.revision for one in ScriptDirectory.from_config(config).walk_revisions()}


def _bring_up(connection: Connection, shown: str, upgrade: bool) -> tuple[str | None, str]:
    from alembic import command
    from alembic.runtime.migration import MigrationContext

    config, known = _migrations(connection)
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in known:
        raise _too_new(current, shown)
    if not upgrade:
        raise _too_old(current, shown)
    command.upgrade(config, HEAD)
    _record_support(connection)
    return current, HEAD


def refuse_other_schema(found: Sequence[str], shown: str) -> None:
    """Raise SchemaTooOld or SchemaTooNew unless ``found`` is this version's revision.

    Revisions are numbers of four digits, in order.
    """
    if list(found) == [HEAD]:
        return
    current = found[0] if found else None
    raise _too_new(current, shown) if current and current > HEAD else _too_old(current, shown)


def _too_new(current: str, shown: str) -> SchemaTooNew:
    return SchemaTooNew(
        f"{shown} was written by a newer Sekisho (its schema is {current}, this one knows up "
        f"to {HEAD}): run that version, or restore a backup from before the upgrade"
    )


def _too_old(current: str | None, shown: str) -> SchemaTooOld:
    return SchemaTooOld(
        f"{shown} has schema {current or 'none'}, and {HEAD} is needed: "
        "run `sekisho admin db upgrade`"
    )
