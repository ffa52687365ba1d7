"""Tokens of signed-in people, on their own machine: a file for each server, for its owner only.

With the library ``keyring`` installed (``sekisho[keyring]``) and a keyring behind it, the token
itself goes there, and the file says so. Runs on every kubectl call: it loads little.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from proxy.private_files import locked, make_private_folder, write_private

STORE_VARIABLE = "SEKISHO_CREDENTIAL_STORE"
"""``file``, ``keyring``, or ``auto``: the keyring if there is one."""

RENEW_BEFORE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Credential:
    """A bearer token for ``server``; ``expires_at`` None: it doesn't end by itself.

    ``provider`` is where its owner signed in, to be told when it has ended. ``renewable_until`` is
    until when it may be renewed without them; ``ca_pem`` what the server's certificate is verified
    with (None: the system's certificates).
    """

    server: str
    token: str = field(repr=False)
    expires_at: datetime | None
    provider: str = "local"
    issued_at: datetime | None = None
    renewable_until: datetime | None = None
    ca_pem: str | None = field(default=None, repr=False)

    @property
    def usable(self) -> bool:
        """Whether it hasn't ended."""
        return self.expires_at is None or self.expires_at > datetime.now(UTC)

    @property
    def due(self) -> bool:
        """Whether it should be renewed now: a third of its life is left, or ten minutes."""
        now = datetime.now(UTC)
        if self.expires_at is None or self.renewable_until is None or not self.usable:
            return False
        left = self.expires_at - now
        life = self.expires_at - (self.issued_at or now)
        # Near the end of all renewals a new one would live no longer than this one.
        return left < max(RENEW_BEFORE, life / 3) and self.renewable_until - now > left


def normalised(server: str) -> str:
    """A server's URL as a key: lower case, without the default port and a slash at its end."""
    scheme, separator, rest = server.strip().rstrip("/").lower().partition("://")
    by_default = {"https": ":443", "http": ":80"}.get(scheme, "")
    return f"{scheme}{separator}{rest.removesuffix(by_default)}"


def load(server: str) -> Credential | None:
    """What is kept for ``server``; None where there is nothing that can be read."""
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
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def save(credential: Credential) -> None:
    """Keep a credential."""
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
    }
    write_private(file, json.dumps(data).encode())


def forget(server: str) -> bool:
    """Delete what is kept for ``server``; whether there was anything."""
    file = _file(server)
    try:
        in_keyring = json.loads(file.read_text()).get("token") is None
    except (OSError, ValueError, AttributeError):
        in_keyring = False
    if in_keyring:
        from proxy.cli.keyring_store import delete

        delete(normalised(server))
    try:
        file.unlink()
    except FileNotFoundError:
        return False
    return True


@contextmanager
def alone(server: str) -> Iterator[None]:
    """Hold off other kubectls that would renew the same credential."""
    folder = _file(server).parent
    make_private_folder(folder)
    with locked(folder):
        yield


def _from_keyring(server: str) -> str | None:
    from proxy.cli.keyring_store import get

    return get(normalised(server))


def _to_keyring(credential: Credential) -> bool:
    wanted = os.environ.get(STORE_VARIABLE, "auto")
    if wanted == "file":
        return False
    from proxy.cli.keyring_store import put

    return put(normalised(credential.server), credential.token, must=wanted == "keyring")


def _file(server: str) -> Path:
    home = os.environ.get("XDG_CONFIG_HOME")
    folder = (Path(home) if home else Path.home() / ".config") / "sekisho" / "credentials"
    return folder / f"{hashlib.sha256(normalised(server).encode()).hexdigest()[:32]}.json"


def _time(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _text(when: datetime | None) -> str | None:
    return when.isoformat() if when else None
