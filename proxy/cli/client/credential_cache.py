"""Tokens of signed-in users on their machine: a private file for each server.

If the library ``keyring`` (``sekisho[keyring]``) is installed and has a keyring, the token is in
the keyring, and the file has the rest.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from proxy.cli.client import cached_token
from proxy.cli.client.cached_token import file_name, is_due
from proxy.cli.client.cached_token import normalised as normalised  # part of this interface
from proxy.files.private_files import locked, make_private_folder, write_private

STORE_VARIABLE = "SEKISHO_CREDENTIAL_STORE"
"""``file``, ``keyring``, or ``auto`` (the keyring if one exists)."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A bearer token for ``server``. ``expires_at`` None means that it doesn't expire.

    ``provider`` is where the user signed in; messages name it when the token has expired. Until
    ``renewable_until``, it can be renewed without the user. ``ca_pem`` verifies the server's
    certificate (None: the system's trust store).
    """

    server: str
    token: str = field(repr=False)
    expires_at: datetime | None
    provider: str = "local"
    issued_at: datetime | None = None
    renewable_until: datetime | None = None
    ca_pem: str | None = field(default=None, repr=False)
    clock_offset: timedelta = timedelta(0)
    """How far the server's clock was ahead of this machine's when the token was issued."""

    @property
    def now(self) -> datetime:
        """The time by the server's clock, which decides."""
        return datetime.now(UTC) + self.clock_offset

    @property
    def usable(self) -> bool:
        """Whether the token has not expired."""
        return self.expires_at is None or self.expires_at > self.now

    @property
    def due(self) -> bool:
        """Whether to renew it now: less than a third of its life or ten minutes are left."""
        return is_due(
            self.now.timestamp(),
            _timestamp(self.expires_at),
            _timestamp(self.renewable_until),
            _timestamp(self.issued_at),
        )


def load(server: str) -> Credential | None:
    """Return the credential for ``server``. None if there is none that can be read."""
    try:
        data = json.loads(_file(server).read_text())
        token = data.get("token")
        if token is None:
            token = _from_keyring(server)
        if not token:
            return None
        return Credential(
            normalised(server),
            str(token),
            _time(data["expires_at"]),
            str(data.get("provider", "local")),
            _time(data.get("issued_at")),
            _time(data.get("renewable_until")),
            data.get("ca_pem"),
            timedelta(seconds=float(data.get("clock_offset", 0))),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return None


def save(credential: Credential) -> None:
    """Store a credential. Raises OSError if its folder can't be written."""
    file = _file(credential.server)
    make_private_folder(file.parent)
    in_keyring = _to_keyring(credential)
    data = {
        "server": normalised(credential.server),
        "token": None if in_keyring else credential.token,
        "expires_at": _text(credential.expires_at),
        "provider": credential.provider,
        "issued_at": _text(credential.issued_at),
        "renewable_until": _text(credential.renewable_until),
        "ca_pem": credential.ca_pem,
        "clock_offset": credential.clock_offset.total_seconds(),
    }
    write_private(file, json.dumps(data).encode())


def forget(server: str) -> bool:
    """Delete the credential for ``server``. False if there was none. Raises OSError."""
    file = _file(server)
    try:
        in_keyring = json.loads(file.read_text()).get("token") is None
    except (OSError, ValueError, AttributeError):
        in_keyring = False
    if in_keyring:
        from proxy.cli.client.keyring_store import delete

        delete(normalised(server))
    try:
        file.unlink()
    except FileNotFoundError:
        return False
    return True


@contextmanager
def alone(server: str) -> Iterator[None]:
    """Lock the credential against renewal by other processes. Raises OSError."""
    place = _file(server).parent
    make_private_folder(place)
    with locked(place):
        yield


def _from_keyring(server: str) -> str | None:
    from proxy.cli.client.keyring_store import get

    return get(normalised(server))


def _to_keyring(credential: Credential) -> bool:
    wanted = os.environ.get(STORE_VARIABLE, "auto")
    if wanted == "file":
        return False
    from proxy.cli.client.keyring_store import put

    return put(normalised(credential.server), credential.token, must=wanted == "keyring")


def folder() -> Path:
    """Return the folder of credentials. Raises CommandFailed for a user without a home."""
    try:
        return Path(cached_token.folder(os.environ))
    except LookupError:
        from proxy.cli.common import CommandFailed

        raise CommandFailed(
            "you have no home folder; set XDG_CONFIG_HOME to the folder for sign-ins"
        ) from None


def _file(server: str) -> Path:
    return folder() / file_name(server)


def _timestamp(when: datetime | None) -> float | None:
    return None if when is None else when.timestamp()


def _time(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _text(when: datetime | None) -> str | None:
    return when.isoformat() if when else None
