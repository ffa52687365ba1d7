"""``data_dir``: create it, and the encryption key that is in it by default."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from config.errors import Problem, system_reason
from config.loggers import get_logger
from config.problems import ConfigError
from config.settings import Settings
from proxy.files.private_files import (
    locked,
    make_private_folder,
    restrict_permissions,
    write_private,
)
from store.encryption import Keyring, generate_key
from store.errors import KeyMismatch

if TYPE_CHECKING:
    from store.database import SqlStore

KEY_FILE = "encryption.key"
_LOG = get_logger(__name__)


def ensure_data_dir(settings: Settings) -> Path:
    """Return the folder; create it if needed. Raises ConfigError if it can't be used."""
    folder = settings.data_dir
    try:
        make_private_folder(folder)
    except OSError as exc:
        reason = system_reason(exc)
        raise _unusable(
            folder, f"can't be created: {reason}; set another folder, or correct permissions"
        ) from exc
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise _unusable(folder, "can't be written by this user; correct its permissions")
    return folder


def open_keyring(settings: Settings) -> Keyring:
    """Return the encryption keys of the store. Raises ConfigError."""
    configured = settings.store.encryption_keys
    if configured is not None:
        try:
            return Keyring.parse(configured.get_secret_value())
        except ValueError as exc:
            raise ConfigError([Problem("", "store.encryption_keys", str(exc))]) from None
    file = ensure_data_dir(settings) / KEY_FILE
    if settings.store_url.startswith("postgres"):
        _LOG.warning(
            "the encryption key is in data_dir; every replica needs the same one",
            fix="set store.encryption_keys_file",
        )
    made_in: Path | None = None
    try:
        with locked(file.parent):
            if not file.exists():
                _refuse_new_key_beside_database(settings, file)
                write_private(file, f"{generate_key()}\n".encode())
                made_in = file
            warning = restrict_permissions(file)
            if warning is not None:
                _LOG.warning(warning, file=str(file))
            text = file.read_text()
        keyring = Keyring.parse(text)
        keyring.made_in = made_in
        return keyring
    except OSError as exc:
        problem = f"{system_reason(exc)}; correct its permissions"
        raise ConfigError([Problem(str(file), "", problem)]) from exc
    except ValueError as exc:
        raise ConfigError([Problem(str(file), "", f"{exc}; restore it from a backup")]) from None


def _refuse_new_key_beside_database(settings: Settings, file: Path) -> None:
    """Raise ConfigError if a database exists whose encryption key is missing.

    A new key could decrypt nothing of it, and would hide that the old key is missing.
    """
    from store.encrypted_file import holds_secrets
    from store.locations import locate  # imports SQLAlchemy, which most starts need only later

    database = locate(settings.store_url).file
    if database is not None and holds_secrets(database):
        raise ConfigError(
            [
                Problem(
                    str(file),
                    "",
                    f"the encryption key is missing, and the database {database} was encrypted "
                    "with it; restore the key from a backup (to start without the old data, move "
                    "the database away)",
                )
            ]
        )


async def open_store_with_key(
    settings: Settings, keyring: Keyring, *, upgrade: bool | None = None
) -> "SqlStore":
    """Open the store. Delete a key that was just created and doesn't fit the database.

    With PostgreSQL, only now is it known whether the database has data. Raises StoreError.
    """
    from store.database import open_store

    try:
        return await open_store(
            settings.store_url,
            keyring,
            upgrade=settings.store.auto_upgrade if upgrade is None else upgrade,
            addresses=settings.cluster_addresses,
        )
    except KeyMismatch as exc:
        if keyring.made_in is None:
            raise
        keyring.made_in.unlink(missing_ok=True)
        raise KeyMismatch(
            f"the encryption key {keyring.made_in} is missing, and the database was encrypted with "
            "it: restore the key from a backup, or configure store.encryption_keys_file"
        ) from exc


def _unusable(folder: Path, message: str) -> ConfigError:
    return ConfigError([Problem(str(folder), "data_dir", message)])
