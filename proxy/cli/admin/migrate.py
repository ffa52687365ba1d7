"""``sekisho admin migrate``: from SQLite to PostgreSQL."""

from pathlib import Path

import click

from proxy.cli.admin.database import settings_of_database
from proxy.cli.common import (
    CommandFailed,
    config_option,
    one_line_errors,
    output_option,
    print_json,
    print_table,
    run_async,
)

TO_VARIABLE = "SEKISHO_MIGRATE_TO"


@click.command()
@click.option(
    "--to",
    "to_url",
    metavar="URL",
    envvar=TO_VARIABLE,
    help=f"postgresql://… Other users see arguments; for a URL with a password, use --to-file "
    f"or ${TO_VARIABLE}.",
)
@click.option("--to-file", metavar="FILE", help="File with that URL.")
@output_option
@config_option
@one_line_errors
@run_async
async def migrate(
    to_url: str | None, to_file: str | None, output: str, config_file: str | None
) -> None:
    """Copy the SQLite database into an empty PostgreSQL database.

    Stop the server first: its database is locked meanwhile. Every row is read back and compared,
    and all are written in one transaction. The encryption keys stay the same. The SQLite file is
    not changed. Afterwards, set store.url and start the server.
    """
    from store.locations import locate
    from store.transfer.migration import copy_database

    settings = await settings_of_database(config_file, create=False)
    source, target = locate(settings.store_url), locate(_url(to_url, to_file))
    copied = await copy_database(source, target)
    if output == "json":
        print_json(copied)
        return
    print_table(["TABLE", "ROWS"], list(copied.items()))
    click.echo(
        f"copied {sum(copied.values())} rows from {source.shown} to {target.shown}, and compared "
        "each. Set store.url to the new database on every replica, with the same encryption keys, "
        "and start the server. Don't start a server on the old file again: both would write into "
        "the clusters."
    )


def _url(url: str | None, file: str | None) -> str:
    """Return the URL. Raises CommandFailed and click.UsageError."""
    if file is not None:
        from config.files import ReadFailure, read_text

        found = read_text(Path(file), regular=True)
        if isinstance(found, ReadFailure):
            raise CommandFailed(f"--to-file: {found.message}")
        url = found.strip()
    if not url:
        raise click.UsageError(f"name the database: --to, --to-file or ${TO_VARIABLE}")
    return url
