"""Open the server's database for commands that work without the server."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from proxy.cli.common import CommandFailed

if TYPE_CHECKING:
    from config.settings import Settings
    from store.interfaces import Store


@asynccontextmanager
async def offline_store(
    config_file: str | None, *, create: bool = False
) -> AsyncIterator[tuple["Settings", "Store"]]:
    """Open the configured store. With ``create``, a configured database may be new.

    Raises:
        CommandFailed: the database doesn't exist.
        ConfigError, StoreError: the configuration or the database can't be used.
    """
    from proxy.files.data_dir import open_keyring, open_store_with_key

    log_to_stderr()
    settings = await settings_of_database(config_file, create=create)
    store = await open_store_with_key(settings, open_keyring(settings))
    try:
        yield settings, store
    finally:
        await store.close()


async def settings_of_database(config_file: str | None, *, create: bool) -> "Settings":
    """Load the settings. Raises CommandFailed if there is no database and none may be created.

    Without a configuration, no database is created: the working directory may be the wrong one.
    """
    from proxy.startup.configuration import load_config
    from store.database import database_exists

    everything = load_config(config_file, os.environ)
    settings = everything.settings
    configured = everything.file is not None or not everything.bare
    if (create and configured) or await database_exists(settings.store_url):
        return settings
    if not configured:
        raise CommandFailed(
            "this command works on the server's database and needs its configuration: name it with "
            "-c FILE or $SEKISHO_CONFIG. To act on a server as yourself, run `sekisho login`"
        )
    from store.locations import locate

    shown = locate(settings.store_url).shown
    raise CommandFailed(
        f"{shown} doesn't exist yet: `sekisho serve` creates it, as does `sekisho admin db "
        "upgrade`. Is the configuration that of the server?"
    )


def log_to_stderr() -> None:
    """Log to standard error, because programs read standard output."""
    import structlog

    # Not is_configured(): where only processors were set, the default remains, standard output.
    if isinstance(structlog.get_config()["logger_factory"], structlog.PrintLoggerFactory):
        # The stream is looked up each time, because tests replace it.
        structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
