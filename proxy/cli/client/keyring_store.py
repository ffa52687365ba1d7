"""Store tokens in the system's keyring with the library ``keyring``, if both exist."""

import importlib
from typing import Any

from proxy.cli.common import CommandFailed

SERVICE = "sekisho"


def put(server: str, token: str, *, must: bool) -> bool:
    """Store a token. False without a keyring; with ``must``, raises CommandFailed instead."""
    keyring = _keyring()
    if keyring is None:
        if must:
            raise CommandFailed(
                "there is no keyring; install sekisho[keyring], or set "
                "SEKISHO_CREDENTIAL_STORE=file"
            )
        return False
    try:
        keyring.set_password(SERVICE, server, token)
    except Exception as exc:  # backends raise any exception, for example for a locked keyring
        if must:
            raise CommandFailed(
                f"the keyring can't be used ({type(exc).__name__}); unlock it"
            ) from exc
        return False
    return True


def get(server: str) -> str | None:
    """Return the stored token. None if it can't be read."""
    keyring = _keyring()
    if keyring is None:
        return None
    try:
        found = keyring.get_password(SERVICE, server)
    except Exception:  # as above; the user has to sign in again
        return None
    return found if isinstance(found, str) else None


def delete(server: str) -> None:
    """Delete the token."""
    keyring = _keyring()
    if keyring is None:
        return
    try:
        keyring.delete_password(SERVICE, server)
    except Exception:  # it no longer exists, or the keyring can't be used
        return


def _keyring() -> Any:
    """Return the library, if it is installed and has a real keyring (priority 1 or more)."""
    try:
        keyring = importlib.import_module("keyring")
    except ImportError:
        return None
    backend = keyring.get_keyring()
    return keyring if getattr(backend, "priority", 0) >= 1 else None
