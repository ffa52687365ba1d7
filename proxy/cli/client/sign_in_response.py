"""Read the credential from the response to a sign-in of any method."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from proxy.cli.client.credential_cache import Credential
from proxy.cli.client.server_client import Reply
from proxy.cli.common import CommandFailed, plain


def credential_of(reply: Reply, *, server: str, provider: str, ca_pem: str | None) -> Credential:
    """Return the credential. Raises CommandFailed if the response is not Sekisho's."""
    data, offset = reply.data, reply.clock_offset
    try:
        token = data["token"] if "token" in data else data["access_token"]
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise ValueError("no token")
        return Credential(
            server=server,
            token=token,
            expires_at=_time(data["expires_at"]),
            provider=provider,
            issued_at=datetime.now(UTC) + offset,
            renewable_until=_time(data.get("renewable_until")),
            ca_pem=ca_pem,
            clock_offset=offset,
        )
    except (KeyError, TypeError, ValueError):
        raise _another(server) from None


def whose(data: Mapping[str, Any], server: str) -> str:
    """Return the name of the signed-in user. Raises CommandFailed."""
    try:
        return plain(f"{data['user']['display_name']} ({data['user']['id']})")
    except (KeyError, TypeError):
        raise _another(server) from None


def _another(server: str) -> CommandFailed:
    return CommandFailed(f"{server} did not respond like Sekisho; is --server right?")


def _time(text: str | None) -> datetime | None:
    if not text:
        return None
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        raise ValueError("a time without a time zone")
    return when
