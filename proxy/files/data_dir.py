"""``data_dir``: made when needed, and the encryption key that is kept there by default."""

import os
from pathlib import Path

import structlog

from config.problems import ConfigError, Problem
from config.settings import Settings
from proxy.private_files import keep_private, locked, make_private_folder, write_private
from store.encryption import Keyring, generate_key

KEY_FILE = "encryption.key"
_LOG = structlog.get_logger("sekisho.data_dir")


def prepare(settings: Settings) -> Path:
    """The folder, made if it isn't there. Raises ConfigError where it can't be used."""
    folder = settings.data_dir
    try:
        make_private_folder(folder)
    except OSError as exc:
        said = (exc.strerror or str(exc)).lower()
        raise _unusable(
            folder, f"can't be made: {said}; name another, or mend permissions"
        ) from exc
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise _unusable(folder, "can't be written to by this user; mend its permissions")
    return folder


def open_keyring(settings: Settings) -> Keyring:
    """The keys that the store is encrypted with. Raises ConfigError."""
    configured = settings.store.encryption_keys
    if configured is not None:
        try:
            return Keyring.parse(configured.get_secret_value())
        except ValueError as exc:
            raise ConfigError([Problem("", "store.encryption_keys", str(exc))]) from None
    file = prepare(settings) / KEY_FILE
    if settings.store_url.startswith("postgres"):
        _LOG.warning(
            "the encryption key is in data_dir; every replica needs the same one",
            fix="set store.encryption_keys_file",
        )
    try:
        with locked(file.parent):
            if not file.exists():
                write_private(file, f"{generate_key()}\n".encode())
            warning = keep_private(file)
            if warning is not None:
                _LOG.warning(warning, file=str(file))
            text = file.read_text()
        return Keyring.parse(text)
    except OSError as exc:
        said = (exc.strerror or str(exc)).lower()
        raise ConfigError([Problem(str(file), "", f"{said}; mend its permissions")]) from exc
    except ValueError as exc:
        raise ConfigError([Problem(str(file), "", f"{exc}; restore it from a backup")]) from None


def _unusable(folder: Path, message: str) -> ConfigError:
    return ConfigError([Problem(str(folder), "data_dir", message)])
