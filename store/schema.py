"""Bringing a database to the present schema, or saying why it can't be used."""

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from store.interfaces import SchemaTooNew, SchemaTooOld

_LOCK = 0x5E_15_40
"""PostgreSQL's advisory lock under which replicas that start together migrate one by one."""


async def bring_up(
    connection: AsyncConnection, shown: str, *, upgrade: bool
) -> tuple[str | None, str]:
    """Migrate inside ``connection``'s transaction; the revision before and now.

    Raises SchemaTooNew, and SchemaTooOld where ``upgrade`` is False.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    return await connection.run_sync(_bring_up, shown, upgrade)


def _bring_up(connection: Connection, shown: str, upgrade: bool) -> tuple[str | None, str]:
    config = Config()
    config.set_main_option("script_location", "store:migrations")
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    head = scripts.get_current_head()
    assert head is not None
    current = MigrationContext.configure(connection).get_current_revision()
    if current == head:
        return current, head
    known = {script.revision for script in scripts.walk_revisions()}
    if current is not None and current not in known:
        raise SchemaTooNew(
            f"{shown} was written by a newer Sekisho (its schema is {current}, this one knows up "
            f"to {head}): run that version, or restore a backup from before the upgrade"
        )
    if not upgrade:
        raise SchemaTooOld(
            f"{shown} has schema {current or 'none'}, and {head} is needed: "
            "run `sekisho db upgrade`"
        )
    command.upgrade(config, "head")
    return current, head
