"""Tokens in the system's keyring, by the library ``keyring``, where both are there."""

import importlib
from typing import Any

from proxy.cli.common import Failed

SERVICE = "sekisho"


def put(server: str, token: str, *, must: bool) -> bool:
    """Keep a token; whether there is a keyring. Raises Failed where there ``must`` be one."""
    keyring = _keyring()
    if keyring is None:
        if must:
            raise Failed("there is no keyring here: install sekisho[keyring], or use the file")
        return False
    try:
        keyring.set_password(SERVICE, server, token)
    except Exception as exc:  # backends raise what they like: a keyring that is locked, say
        if must:
            raise Failed(f"the keyring can't be used: {type(exc).__name__}") from exc
        return False
    return True


def get(server: str) -> str | None:
    """The token that is kept, if it can be had."""
    keyring = _keyring()
    if keyring is None:
        return None
    try:
        found = keyring.get_password(SERVICE, server)
    except Exception:  # as above; who can't have it has to sign in again
        return None
    return found if isinstance(found, str) else None


def delete(server: str) -> None:
    """Forget the token."""
    keyring = _keyring()
    if keyring is None:
        return
    try:
        keyring.delete_password(SERVICE, server)
    except Exception:  # it isn't there any more, or can't be reached
        return


def _keyring() -> Any:
    """The library, if it is installed and has found a keyring that is one (priority 1 or more)."""
    try:
        keyring = importlib.import_module("keyring")
    except ImportError:
        return None
    backend = keyring.get_keyring()
    return keyring if getattr(backend, "priority", 0) >= 1 else None
