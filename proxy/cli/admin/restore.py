"""``sekisho admin restore``: a backup, what it would change in the clusters, and its acceptance."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.cli.admin.backup_key import passphrase_option, wrapping_of
from proxy.cli.admin.restore_review import accept_clusters, review_clusters
from proxy.cli.common import CommandFailed, config_option, one_line_errors, run_async

if TYPE_CHECKING:
    from proxy.backup.files import SavedFile
    from proxy.backup.key_wrapping import KeyWrapping
    from proxy.backup.restore import RestoreOptions
    from store.transfer.load import Loaded


@click.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False, exists=True))
@click.option("--review", is_flag=True, help="Show what Sekisho would change in held clusters.")
@click.option("--accept", is_flag=True, help="Let Sekisho change held clusters again.")
@click.option("--cluster", metavar="NAME", help="Review or accept this cluster only.")
@click.option(
    "--configuration", metavar="DIR", help="Restore the configuration into this folder, and use it."
)
@click.option("--replace", is_flag=True, help="Replace the database and files that exist.")
@click.option(
    "--keep-sessions", is_flag=True, help="Do not end the browser sessions of the backup."
)
@click.option("--revoke-tokens", is_flag=True, help="Revoke all API tokens of the backup.")
@click.option(
    "--without-audit",
    is_flag=True,
    help="Leave out the events of the audit search, which takes less time.",
)
@passphrase_option
@config_option
@one_line_errors
@run_async
async def restore(
    file: str | None,
    review: bool,
    accept: bool,
    cluster: str | None,
    configuration: str | None,
    replace: bool,
    keep_sessions: bool,
    revoke_tokens: bool,
    without_audit: bool,
    passphrase_file: str | None,
    config_file: str | None,
) -> None:
    """Restore the backup FILE into an empty database and data directory: all of it, or nothing.

    The database may be SQLite or PostgreSQL, whatever the backup came from. Stop every server
    first. Afterwards, Sekisho changes nothing in the clusters until you accept the older state:
    start the server, look at --review, then --accept.
    """
    from proxy.backup.restore import RestoreOptions

    if (file is not None) + review + accept != 1:
        raise click.UsageError("give one of FILE, --review and --accept")
    if review:
        await review_clusters(config_file, cluster)
    elif accept:
        await accept_clusters(config_file, cluster)
    else:
        options = RestoreOptions(replace, keep_sessions, revoke_tokens, not without_audit)
        loaded = await _restore(
            Path(str(file)), config_file, configuration, passphrase_file, options
        )
        _print(loaded, options)


async def _restore(
    file: Path,
    config_file: str | None,
    configuration: str | None,
    passphrase_file: str | None,
    options: "RestoreOptions",
) -> "Loaded":
    from proxy.backup.placing import placed
    from proxy.backup.restore import restore_backup
    from proxy.cli.admin.database import log_to_stderr
    from proxy.startup.configuration import load_config

    log_to_stderr()
    if configuration is None:
        found = load_config(config_file, os.environ)
        if found.file is None and found.bare:
            raise CommandFailed(
                "name the configuration to restore into with -c FILE, or restore that of the "
                "backup with --configuration DIR"
            )
        wrapping = wrapping_of(found.settings.backup, passphrase_file, new=False)
        return await restore_backup(file, found.settings, wrapping, options)
    wrapping = _wrapping_without_configuration(passphrase_file)
    places, main, environment = _saved(file, wrapping, Path(configuration))
    with placed(places, replace=options.replace):
        settings = load_config(str(main), {**environment, **os.environ}).settings
        return await restore_backup(file, settings, wrapping, options)


def _wrapping_without_configuration(passphrase_file: str | None) -> "KeyWrapping":
    from config.loading import load, settings_or_raise

    loaded = load(None, {**os.environ, "SEKISHO_CONFIG": os.devnull})
    return wrapping_of(settings_or_raise(loaded).backup, passphrase_file, new=False)


def _saved(
    file: Path, wrapping: "KeyWrapping", folder: Path
) -> tuple[list[tuple[Path, "SavedFile"]], Path, dict[str, str]]:
    """Return the places of the configuration's files, the main one, and the environment."""
    folder = folder.absolute()
    from proxy.backup.files import ENVIRONMENT_FILE, parsed_environment
    from proxy.backup.restore import saved_configuration

    saved = saved_configuration(file, wrapping)
    main = next((one for one in saved if one.root == "main"), None)
    if main is None:
        raise CommandFailed(
            "the backup has no configuration file, because the server had none: restore it "
            "without --configuration"
        )
    environment = {}
    for one in saved:
        if one.path == ENVIRONMENT_FILE:
            environment = parsed_environment(one.content)
    return [(folder / one.path, one) for one in saved], folder / main.path, environment


def _print(loaded: "Loaded", options: "RestoreOptions") -> None:
    click.echo(f"restored {sum(loaded.rows.values())} rows of {len(loaded.rows)} tables")
    if options.keep_sessions:
        click.echo("browser sessions go on, also those that were ended after the backup")
    else:
        click.echo(f"ended {loaded.sessions_ended} browser sessions: users sign in again")
    if options.revoke_tokens:
        click.echo(f"revoked {loaded.tokens_revoked} tokens: users and pipelines need new ones")
    else:
        click.echo(
            f"{loaded.tokens_valid} tokens are valid, also those that were revoked after the "
            "backup. Revoke those again, or restore with --revoke-tokens"
        )
    if "audit_events" not in loaded.rows:
        click.echo(
            "the audit search has no events of the backup: look in the audit log's own files"
        )
    click.echo(
        "roles, memberships, and disabled users are those of the backup as well: compare them with "
        "the audit log since then"
    )
    click.echo(
        f"{loaded.clusters_held} clusters are held: Sekisho changes nothing in them until you ran "
        "`sekisho admin restore --review` and `sekisho admin restore --accept`"
    )
