"""``sekisho admin db``: schema and encryption keys of the database."""

import click

from proxy.cli.admin.database import offline_store, settings_of_database
from proxy.cli.command_group import CommandGroup
from proxy.cli.common import (
    CommandFailed,
    config_option,
    one_line_errors,
    print_table,
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
    """Encrypt again with the first key what was encrypted with an older key.

    Servers may run. An interrupted rotation is completed by another one. The exit status is 1 while
    a value still needs an older key.
    """
    from store.database import SqlStore

    async with offline_store(config_file) as (_, store):
        assert isinstance(store, SqlStore)
        tables = await store.rotate_keys()
    rows = [(one.table, one.changed, one.dropped, one.left) for one in tables]
    print_table(["TABLE", "ENCRYPTED AGAIN", "DROPPED", "LEFT"], rows)
    left = sum(one.left for one in tables)
    if left:
        raise CommandFailed(
            f"{left} records still need an older key: keep all keys, restart every replica with "
            "the first key in front, and run this command again"
        )
    click.echo(
        "The first key encrypts every record now. Remove the other keys when every replica runs "
        "with this first key, and a second run of this command changes nothing."
    )
