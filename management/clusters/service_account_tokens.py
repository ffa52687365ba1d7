"""Tokens for our two service accounts: asked for by TokenRequest, or kept in a Secret."""

import asyncio
import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from management.downstream.apply import POLL_SECONDS
from management.downstream.client import ClusterClient
from management.downstream.errors import Failed
from management.downstream.objects import (
    CONTROLLER,
    IMPERSONATOR,
    NAMESPACE,
    collection_path,
    secret_name,
    token_path,
)

TOKEN_SECONDS = 30 * 24 * 3600
"""How long a token is asked to live. A cluster may shorten that, and some do to a day or an hour;
what it says is what is recorded."""

SECRET_SECONDS = 30.0
"""How long the cluster's token controller may take to fill a Secret."""


@dataclass(frozen=True, slots=True)
class AccountTokens:
    """Tokens of the two accounts. ``expire_at`` is when the earlier ends; None: they don't."""

    impersonator: str = field(repr=False)
    controller: str = field(repr=False)
    expire_at: datetime | None


async def request_tokens(client: ClusterClient, seconds: int = TOKEN_SECONDS) -> AccountTokens:
    """Fresh tokens for both accounts, to live for ``seconds`` if the cluster agrees."""
    impersonator, first = await _request_token(client, IMPERSONATOR, seconds)
    controller, second = await _request_token(client, CONTROLLER, seconds)
    return AccountTokens(impersonator, controller, min(first, second))


async def await_secrets(client: ClusterClient) -> AccountTokens:
    """The tokens in the accounts' Secrets, as soon as the cluster has put them there."""
    return AccountTokens(
        await _await_secret(client, IMPERSONATOR), await _await_secret(client, CONTROLLER), None
    )


async def _request_token(client: ClusterClient, account: str, seconds: int) -> tuple[str, datetime]:
    answer = await client.post(
        token_path(account),
        {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": seconds},
        },
    )
    status: Any = answer.get("status")
    try:
        return status["token"], datetime.fromisoformat(status["expirationTimestamp"])
    except (TypeError, KeyError, ValueError) as exc:
        raise Failed(f"the cluster gave no token for the service account {account}") from exc


async def _await_secret(client: ClusterClient, account: str) -> str:
    path = f"{collection_path('Secret', NAMESPACE)}/{secret_name(account)}"
    deadline = asyncio.get_running_loop().time() + SECRET_SECONDS
    while True:
        data = (await client.get(path)).get("data") or {}
        if data.get("token"):
            return base64.b64decode(data["token"]).decode("ascii")
        if asyncio.get_running_loop().time() > deadline:
            raise Failed(
                f"the cluster put no token into the Secret {secret_name(account)}; "
                "import without a long-lived Secret"
            )
        await asyncio.sleep(POLL_SECONDS)


def claimed_lifetime(token: str) -> tuple[datetime, datetime] | None:
    """When a service account's token was issued and when it ends, by its own claims.

    Read, not verified: the token is ours, and says when to renew it and nothing else. None for a
    token that isn't a JWT or doesn't end.
    """
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        issued, ends = float(claims["iat"]), float(claims["exp"])
        return datetime.fromtimestamp(issued, UTC), datetime.fromtimestamp(ends, UTC)
    except (ValueError, TypeError, KeyError, OverflowError, OSError):
        return None
