"""Upgrade a database to the present schema, or report why that is not possible."""

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from store.errors import SchemaTooNew, SchemaTooOld

HEAD = "0019"
"""The newest of ``store/migrations/versions``."""

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
    if await connection.run_sync(_at_head):
        return HEAD, HEAD
    return await connection.run_sync(_bring_up, shown, upgrade)


def has_schema(connection: Connection) -> bool:
    """Return whether the database has a schema of any version."""
    return inspect(connection).has_table("alembic_version")


def _at_head(connection: Connection) -> bool:
    """Return whether the schema is current, as at nearly every start.

    Asked without Alembic, for which a start would have to wait: it takes a tenth of a second to
    import, and reads every migration.
    """
    if not has_schema(connection):
        return False
    found = connection.execute(text("SELECT version_num FROM alembic_version"))
    return found.scalars().all() == [HEAD]


def _bring_up(connection: Connection, shown: str, upgrade: bool) -> tuple[str | None, str]:
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", "store:migrations")
    config.attributes["connection"] = connection
    known = {one.revision for one in ScriptDirectory.from_config(config).walk_revisions()}
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in known:
        raise SchemaTooNew(
            f"{shown} was written by a newer Sekisho (its schema is {current}, this one knows up "
            f"to {HEAD}): run that version, or restore a backup from before the upgrade"
        )
    if not upgrade:
        raise SchemaTooOld(
            f"{shown} has schema {current or 'none'}, and {HEAD} is needed: "
            "run `sekisho admin db upgrade`"
        )
    command.upgrade(config, HEAD)
    return current, HEAD
