"""``sekisho admin backup``: the database, the keys, the CA, and the configuration in one file."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.cli.admin.backup_key import passphrase_option, wrapping_of
from proxy.cli.common import (
    config_option,
    one_line_errors,
    output_option,
    print_json,
    print_table,
    run_async,
)
from proxy.cli.durations import DURATION

if TYPE_CHECKING:
    from config.backup_settings import BackupSettings
    from config.settings import Settings
    from proxy.backup.create import Summary
    from proxy.backup.files import SavedFile
    from proxy.startup.configuration import LoadedConfig


EVENTS = "audit_events"
"""The table with the events of the audit search."""


@click.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False))
@click.option(
    "--into",
    metavar="DIR",
    type=click.Path(file_okay=False, exists=True),
    help="Write a backup into this folder, named after the time, and verify it.",
)
@click.option(
    "--keep",
    type=DURATION,
    help="Then delete backups in the folder that are older: 30d. The newest seven are kept.",
)
@click.option("--verify", is_flag=True, help="Read the backup FILE to its end, and change nothing.")
@click.option(
    "--without-audit",
    is_flag=True,
    help="Leave out the events of the audit search, most of a large database.",
)
@passphrase_option
@output_option
@config_option
@one_line_errors
@run_async
async def backup(
    file: str | None,
    into: str | None,
    keep: timedelta | None,
    verify: bool,
    without_audit: bool,
    passphrase_file: str | None,
    output: str,
    config_file: str | None,
) -> None:
    """Write an encrypted backup into FILE, which is new, or --into a folder.

    The server keeps running.

    It has the database at one moment with the events of the audit search, the encryption keys, the
    CA, the configuration with the files that it names, and the settings in the environment. It
    lacks the audit log itself. Keep the passphrase elsewhere: without it, a backup can't be
    restored.
    """
    if (file is None) == (into is None):
        raise click.UsageError("give one of FILE and --into")
    if into is None and keep is not None:
        raise click.UsageError("--keep is for --into")
    if verify and without_audit:
        raise click.UsageError("--without-audit is for a new backup")
    key, audit = (passphrase_file, config_file), not without_audit
    if into is not None:
        if verify:
            raise click.UsageError("--verify is for a FILE; --into always verifies")
        await _scheduled(Path(into), keep, output, key, audit=audit)
        return
    path = Path(str(file))
    if verify:
        summary = _verified(path, *key)
        _print(summary, output, f"{file} is complete and genuine")
        return
    summary = await _written(path, *key, audit=audit)
    _print(summary, output, f"wrote {file}; verify it with `sekisho admin backup --verify {file}`")


async def _scheduled(
    folder: Path,
    keep: timedelta | None,
    output: str,
    key: tuple[str | None, str | None],
    *,
    audit: bool,
) -> None:
    """Write a backup into the folder and verify it; delete old ones only if that succeeded.

    ``key`` are the passphrase's file and the configuration's.
    """
    from proxy.backup.scheduled import name_at

    now = datetime.now(UTC)
    file = folder / name_at(now)
    await _written(file, *key, audit=audit)
    summary = _verified(file, *key)
    count = _delete_old(folder, now, keep) if keep is not None else 0
    deleted = f", deleted {count} older" if count else ""
    _print(summary, output, f"wrote and verified {file}{deleted}")


def _delete_old(folder: Path, now: datetime, keep: timedelta) -> int:
    """Delete the folder's backups that are older; return how many were."""
    from proxy.backup.scheduled import expired

    old = expired((one.name for one in folder.iterdir()), now, keep)
    for name in old:
        (folder / name).unlink(missing_ok=True)
    return len(old)


async def _written(
    file: Path, passphrase_file: str | None, config_file: str | None, *, audit: bool
) -> "Summary":
    from proxy.backup.create import write_backup
    from proxy.cli.admin.database import log_to_stderr

    log_to_stderr()
    loaded = await _loaded(config_file)
    settings = loaded.settings
    return await write_backup(
        file,
        settings.store_url,
        _keys(settings),
        lambda: _files(loaded),
        wrapping_of(settings.backup, passphrase_file, new=True),
        audit=audit,
    )


def _verified(file: Path, passphrase_file: str | None, config_file: str | None) -> "Summary":
    from proxy.backup.create import verify_backup

    wrapping = wrapping_of(_backup_settings(config_file), passphrase_file, new=False)
    return verify_backup(file, wrapping)


async def _loaded(config_file: str | None) -> "LoadedConfig":
    from proxy.cli.admin.database import settings_of_database
    from proxy.startup.configuration import load_config

    await settings_of_database(config_file, create=False)
    return load_config(config_file, os.environ)


def _backup_settings(config_file: str | None) -> "BackupSettings":
    """Return the settings, on a machine that may have no other configuration."""
    from proxy.startup.configuration import load_config

    return load_config(config_file, os.environ).settings.backup


def _keys(settings: "Settings") -> str:
    """Return the encryption keys as text."""
    from proxy.files.data_dir import KEY_FILE, open_keyring

    open_keyring(settings)  # which creates a missing one only beside an empty database
    configured = settings.store.encryption_keys
    if configured is not None:
        return configured.get_secret_value()
    return (settings.data_dir / KEY_FILE).read_text()


def _files(loaded: "LoadedConfig") -> Iterator["SavedFile"]:
    from config.yaml_file import read_yaml
    from proxy.backup.files import configuration_files, data_files

    yield from data_files(loaded.settings.data_dir)
    values, _, _ = read_yaml(loaded.text, loaded.file or "")
    file = Path(loaded.file).absolute() if loaded.file is not None else None
    yield from configuration_files(file, values, os.environ)


def _print(summary: "Summary", output: str, message: str) -> None:
    header = summary.header
    assert header is not None
    if output == "json":
        print_json(
            {
                "created_at": header.created_at,
                "product": header.product,
                "schema": header.schema,
                "rows": dict(summary.rows),
                "files": summary.files,
            }
        )
        return
    print_table(["TABLE", "ROWS"], list(summary.rows.items()))
    click.echo(
        f"{message}: {sum(summary.rows.values())} rows and {len(summary.files)} files of "
        f"{header.created_at}, Sekisho {header.product}, schema {header.schema}"
    )
    if EVENTS not in summary.rows:
        click.echo(
            "it has no events of the audit search; the audit log is not in any backup: ship it "
            "elsewhere"
        )
