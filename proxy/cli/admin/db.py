"""``sekisho db``: the database's schema and keys."""

import click

from proxy.cli.common import (
    config_option,
    load_settings,
    offline_store,
    one_line_errors,
    run_async,
)


@click.group()
def db() -> None:
    """Bring the schema up, rotate encryption keys."""


@db.command()
@config_option
@one_line_errors
@run_async
async def upgrade(config_file: str | None) -> None:
    """Bring the database's schema up to this version's."""
    from proxy.data_dir import prepare
    from store.database import upgrade_database

    settings = load_settings(config_file)
    prepare(settings)
    before, now = await upgrade_database(settings.store_url)
    if before == now:
        click.echo(f"the schema is {now} already")
    else:
        click.echo(f"the schema was {before or 'not there'} and is {now} now")


@db.command("rotate-keys")
@config_option
@one_line_errors
@run_async
async def rotate_keys(config_file: str | None) -> None:
    """Encrypt with the first key what an older one encrypted."""
    from store.database import SqlStore

    async with offline_store(config_file) as (_, store):
        assert isinstance(store, SqlStore)
        changed = await store.rotate_keys()
    click.echo(f"{changed} clusters' credentials are encrypted with the first key now")
