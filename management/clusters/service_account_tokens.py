"""Tokens of service accounts: requested from the TokenRequest API, or read from a Secret."""

import asyncio
import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime

from config.bounded_json import load_json
from management.desired_state.installation import token_secret_name
from management.kubernetes.client import POLL_SECONDS, ClusterClient
from management.kubernetes.errors import ApiRequestFailed
from management.kubernetes.manifests import (
    CONTROLLER,
    IMPERSONATOR,
    NAMESPACE,
    collection_path,
    token_path,
)
from management.kubernetes.validation import MalformedObject, bearer, issued_token, mapping

TOKEN_SECONDS = 30 * 24 * 3600
"""Requested lifetime of a token. A cluster may grant less, and some grant a day or an hour. The
granted lifetime is stored."""

SECRET_SECONDS = 30.0
"""How long the cluster's token controller may take to fill a Secret."""


@dataclass(frozen=True, slots=True)
class AccountTokens:
    """Tokens of the impersonator and the controller.

    ``expire_at`` is when the first of them expires; None: they do not expire.
    """

    impersonator: str = field(repr=False)
    controller: str = field(repr=False)
    expire_at: datetime | None


async def request_tokens(client: ClusterClient, seconds: int = TOKEN_SECONDS) -> AccountTokens:
    """Request new tokens for both service accounts, with a lifetime of ``seconds`` if granted."""
    impersonator, first = await request_token(client, IMPERSONATOR, seconds)
    controller, second = await request_token(client, CONTROLLER, seconds)
    return AccountTokens(impersonator, controller, min(first, second))


async def await_secrets(client: ClusterClient, seconds: float = SECRET_SECONDS) -> AccountTokens:
    """Return the tokens in the accounts' Secrets as soon as the cluster has stored them there.

    Raises:
        ClusterApiError: a Secret holds no token after ``seconds``, or the cluster does not respond.
    """
    impersonator = await _await_secret(client, IMPERSONATOR, seconds)
    return AccountTokens(impersonator, await _await_secret(client, CONTROLLER, seconds), None)


async def request_token(client: ClusterClient, account: str, seconds: int) -> tuple[str, datetime]:
    """Return a new token of a service account in ``sekisho-system``, and when it expires.

    Raises:
        ClusterApiError: the cluster issues no token.
    """
    response = await client.post(
        token_path(account),
        {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": seconds},
        },
    )
    try:
        return issued_token(response)
    except MalformedObject as exc:
        raise ApiRequestFailed(
            f"the cluster gave no token for the service account {account} ({exc})"
        ) from exc


async def _await_secret(client: ClusterClient, account: str, seconds: float) -> str:
    path = f"{collection_path('Secret', NAMESPACE)}/{token_secret_name(account)}"
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        data = mapping((await client.get(path)).get("data"))
        if data.get("token"):
            return _decode(data["token"], account)
        if asyncio.get_running_loop().time() > deadline:
            raise ApiRequestFailed(
                f"the cluster put no token into the Secret {token_secret_name(account)}; "
                "import without a long-lived Secret"
            )
        await asyncio.sleep(POLL_SECONDS)


def _decode(value: object, account: str) -> str:
    """Return the token in a field of a Secret. Raises ApiRequestFailed."""
    try:
        return bearer(base64.b64decode(str(value), validate=True).decode("ascii"))
    except (ValueError, MalformedObject) as exc:
        raise ApiRequestFailed(f"the Secret {token_secret_name(account)} holds no token") from exc


def claimed_lifetime(token: str) -> tuple[datetime, datetime] | None:
    """Return when a service account's token was issued and when it expires, by its own claims.

    The claims are not verified: they only decide when to renew Sekisho's own token. None: the token
    is not a JWT or does not expire.
    """
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = load_json(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        issued, expires = float(claims["iat"]), float(claims["exp"])
        return datetime.fromtimestamp(issued, UTC), datetime.fromtimestamp(expires, UTC)
    except (ValueError, TypeError, KeyError, OverflowError, OSError):
        return None
