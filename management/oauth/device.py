"""A code typed on another device: ``grant_type=…:device_code`` (RFC 8628 §3.4, §3.5)."""

from datetime import timedelta
from typing import Any

from management.door import Door
from management.oauth.errors import EXPIRED, INVALID_GRANT, PENDING, OAuthError
from management.oauth.grant import Asked, Granted
from management.sealed import Sealer
from management.sign_in import SignIn, UnknownProvider
from providers.base import DeviceAuthenticator, Pending, Refused

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_PURPOSE = "device sign-in"
_EXPIRED_REASONS = frozenset({"expired", "expired_token", "code_expired"})


def _way(sign_in: SignIn, provider: str) -> tuple[Door, DeviceAuthenticator]:
    door = sign_in.doors.get(provider)
    if door is None or door.device is None:
        raise UnknownProvider(provider)
    return door, door.device


async def begin(sign_in: SignIn, sealer: Sealer, provider: str) -> dict[str, Any]:
    """A code to type, RFC 8628 §3.2. Raises UnknownProvider, ProviderUnavailable."""
    _, way = _way(sign_in, provider)
    start = await way.start_device()
    lifetime = timedelta(seconds=start.expires_in)
    data = {"provider": provider, "keep": dict(start.keep)}
    return {
        "device_code": sealer.seal(_PURPOSE, data, lifetime),
        "user_code": start.user_code,
        "verification_uri": start.verification_uri,
        "verification_uri_complete": start.verification_uri_complete,
        "expires_in": start.expires_in,
        "interval": start.interval,
    }


async def redeem(asked: Asked) -> Granted:
    """A session, once the code was typed. Raises OAuthError, ProviderUnavailable."""
    granting = asked.granting
    opened = granting.sealer.open(_PURPOSE, asked.form.one("device_code"))
    if opened is None:
        raise OAuthError(EXPIRED, "the code is not valid or has ended: begin again")
    provider = opened.data["provider"]
    asked.note(provider=provider)
    try:
        door, way = _way(granting.sign_in, provider)
    except UnknownProvider:
        raise OAuthError(INVALID_GRANT, "the provider isn't there any more") from None
    outcome = await way.poll_device(opened.data["keep"])
    if isinstance(outcome, Pending):
        more = {"interval": outcome.interval}
        raise OAuthError(PENDING, "nobody has typed the code yet", more=more)
    if isinstance(outcome, Refused) and outcome.reason in _EXPIRED_REASONS:
        raise OAuthError(EXPIRED, "nobody typed the code in time: begin again")
    if not await granting.store.one_time.spend(opened.id, opened.expires_at):
        raise OAuthError(INVALID_GRANT, "the code was used before")
    return Granted(
        asked.let_in(await granting.sign_in.admit(provider, door, outcome, asked.address))
    )
