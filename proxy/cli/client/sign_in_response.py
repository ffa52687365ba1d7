"""The credential in a server's answer to a sign-in, whichever way it was."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from proxy.cli.common import Failed, plain
from proxy.cli.credential_cache import Credential


def credential_of(
    data: Mapping[str, Any], *, server: str, provider: str, ca_pem: str | None
) -> Credential:
    """The credential. Raises Failed where something else has answered."""
    try:
        token = data["token"] if "token" in data else data["access_token"]
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise ValueError("no token")
        return Credential(
            server=server,
            token=token,
            expires_at=_time(data["expires_at"]),
            provider=provider,
            issued_at=datetime.now(UTC),
            renewable_until=_time(data.get("renewable_until")),
            ca_pem=ca_pem,
        )
    except (KeyError, TypeError, ValueError):
        raise _another(server) from None


def whose(data: Mapping[str, Any], server: str) -> str:
    """Whose it is, for people. Raises Failed."""
    try:
        return plain(f"{data['user']['display_name']} ({data['user']['id']})")
    except (KeyError, TypeError):
        raise _another(server) from None


def _another(server: str) -> Failed:
    return Failed(f"{server} did not answer as Sekisho does; is --server right?")


def _time(text: str | None) -> datetime | None:
    if not text:
        return None
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        raise ValueError("a time without its zone")
    return when
