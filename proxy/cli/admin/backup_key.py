"""How the key of a backup is wrapped: options, settings, or a prompt."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.cli.common import CommandFailed
from proxy.cli.prompts import ask

if TYPE_CHECKING:
    from config.backup_settings import BackupSettings
    from proxy.backup.key_wrapping import KeyWrapping

passphrase_option = click.option(
    "--passphrase-file", metavar="FILE", help="File with the passphrase of the backup."
)


def wrapping_of(
    settings: "BackupSettings", passphrase_file: str | None, *, new: bool
) -> "KeyWrapping":
    """Return how the data key is wrapped. ``new``: a prompt repeats the passphrase.

    Raises CommandFailed if nothing is configured and standard input is no terminal.
    """
    from proxy.backup.key_wrapping import CommandWrapping, PassphraseWrapping

    if passphrase_file is not None:
        return PassphraseWrapping(_passphrase_in(Path(passphrase_file)))
    if settings.wrap_command or settings.unwrap_command:
        return CommandWrapping(settings.wrap_command, settings.unwrap_command)
    if settings.passphrase is not None:
        return PassphraseWrapping(settings.passphrase.get_secret_value())
    if not sys.stdin.isatty():
        raise CommandFailed(
            "a backup needs a passphrase: --passphrase-file, backup.passphrase_file, "
            "$SEKISHO_BACKUP__PASSPHRASE, or backup.wrap_command and unwrap_command"
        )
    repeated = "Repeat it" if new else False
    return PassphraseWrapping(
        ask("Passphrase of the backup", hide_input=True, confirmation_prompt=repeated)
    )


def _passphrase_in(file: Path) -> str:
    from config.files import ReadFailure, read_text

    found = read_text(file, regular=True)
    if isinstance(found, ReadFailure):
        raise CommandFailed(f"--passphrase-file: {found.message}")
    return found.strip()
