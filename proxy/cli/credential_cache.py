"""Tokens of signed-in people, on their own machine: a file for each server, for its owner only."""

import hashlib
import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from proxy.private_files import make_private_folder, write_private


@dataclass(frozen=True, slots=True)
class Credential:
    """A bearer token for ``server``; ``expires_at`` None: it doesn't end by itself.

    ``provider`` is where its owner signed in, to be told when it has ended.
    """

    server: str
    token: str = field(repr=False)
    expires_at: datetime | None
    provider: str = "local"

    @property
    def usable(self) -> bool:
        """Whether it hasn't ended."""
        return self.expires_at is None or self.expires_at > datetime.now(UTC)


def normalised(server: str) -> str:
    """A server's URL as a key: lower case, without the default port and a slash at its end."""
    scheme, separator, rest = server.strip().rstrip("/").lower().partition("://")
    by_default = {"https": ":443", "http": ":80"}.get(scheme, "")
    return f"{scheme}{separator}{rest.removesuffix(by_default)}"


def load(server: str) -> Credential | None:
    """What is kept for ``server``; None where there is nothing that can be read."""
    try:
        data = json.loads(_file(server).read_text())
        ends = data["expires_at"]
        return Credential(
            normalised(server),
            str(data["token"]),
            datetime.fromisoformat(ends) if ends else None,
            str(data.get("provider", "local")),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save(credential: Credential) -> None:
    """Keep a credential."""
    file = _file(credential.server)
    make_private_folder(file.parent)
    ends = credential.expires_at
    data = {
        "server": normalised(credential.server),
        "token": credential.token,
        "expires_at": ends.isoformat() if ends else None,
        "provider": credential.provider,
    }
    write_private(file, json.dumps(data).encode())


def forget(server: str) -> bool:
    """Delete what is kept for ``server``; whether there was anything."""
    try:
        _file(server).unlink()
    except FileNotFoundError:
        return False
    return True


def _file(server: str) -> Path:
    home = os.environ.get("XDG_CONFIG_HOME")
    folder = (Path(home) if home else Path.home() / ".config") / "sekisho" / "credentials"
    return folder / f"{hashlib.sha256(normalised(server).encode()).hexdigest()[:32]}.json"
