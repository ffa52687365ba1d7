"""``sekisho admin db``: schema and encryption keys of the database."""

import click

from proxy.cli.admin.database import offline_store, settings_of_database
from proxy.cli.command_group import CommandGroup
from proxy.cli.common import (
    config_option,
    one_line_errors,
    run_async,
)


@click.group(cls=CommandGroup)
def db() -> None:
    """Upgrade the schema, rotate encryption keys."""


@db.command()
@config_option
@one_line_errors
@run_async
async def upgrade(config_file: str | None) -> None:
    """Upgrade the database's schema to that of this version."""
    from proxy.files.data_dir import ensure_data_dir
    from store.database import upgrade_database

    settings = await settings_of_database(config_file, create=True)
    ensure_data_dir(settings)
    before, now = await upgrade_database(settings.store_url)
    if before == now:
        click.echo(f"the schema is already {now}")
    else:
        click.echo(f"schema upgraded from {before or 'none'} to {now}")


@db.command("rotate-keys")
@config_option
@one_line_errors
@run_async
async def rotate_keys(config_file: str | None) -> None:
    """Encrypt again with the first key what was encrypted with an older key."""
    from store.database import SqlStore

    async with offline_store(config_file) as (_, store):
        assert isinstance(store, SqlStore)
        changed = await store.rotate_keys()
    click.echo(f"encrypted the credentials of {changed} clusters with the first key")
