"""The grant ``device_code``: a code that the user types on another device (RFC 8628 §3.4, §3.5).

The polling interval of a client is enforced here, across all replicas. A client that polls too
often gets ``slow_down``, and no request goes to the provider.
"""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from management.identity.provider_capabilities import ProviderCapabilities
from management.identity.sealed_state import DecryptedState, SealedState, StateCipher
from management.identity.sign_in import SignInService, UnknownProvider
from management.oauth.errors import EXPIRED, INVALID_GRANT, PENDING, SLOW_DOWN, OAuthError
from management.oauth.grants import TokenRequest, TokenResponse
from management.tracing.provider_calls import provider_span
from providers.base import DeviceAuthenticator, Pending, Rejected
from store.interfaces import Store

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_EXPIRED_REASONS = frozenset({"expired", "expired_token", "code_expired"})

SLOWER, SLOWEST = timedelta(seconds=5), timedelta(seconds=60)
"""Increment of the polling interval (RFC 8628 §3.5), and its maximum."""

SLACK = timedelta(milliseconds=300)
"""Tolerance for an early poll: the network may have delayed the one before."""


class DeviceState(SealedState):
    """The state of a device code. ``interval`` is in seconds, ``keep`` is the provider's own."""

    purpose_name = "device sign-in"

    provider: str
    keep: dict[str, str]
    interval: int


async def _enforce_interval(store: Store, decrypted: DecryptedState[DeviceState]) -> None:
    """Record a poll.

    Raises:
        OAuthError: the poll came too early.
        StoreUnavailable: the store cannot be written.
    """
    interval = timedelta(seconds=max(1, decrypted.data.interval))
    slowed = await store.device_polls.poll(
        decrypted.id,
        datetime.now(UTC),
        interval - SLACK,
        decrypted.expires_at,
        slower=SLOWER,
        most=max(SLOWEST, interval),
    )
    if slowed is not None:
        seconds = math.ceil((slowed + SLACK).total_seconds())
        raise OAuthError(
            SLOW_DOWN,
            f"polled too soon: wait {seconds} seconds between requests",
            headers={"Retry-After": str(seconds)},
            more={"interval": seconds},
        )


def _device_authenticator(
    sign_in: SignInService, provider: str
) -> tuple[ProviderCapabilities, DeviceAuthenticator]:
    capabilities = sign_in.providers.get(provider)
    if capabilities is None or capabilities.device is None:
        raise UnknownProvider(provider)
    return capabilities, capabilities.device


async def begin(sign_in: SignInService, cipher: StateCipher, provider: str) -> dict[str, Any]:
    """Begin a sign-in; return the codes for the client and the user (RFC 8628 §3.2).

    Raises:
        UnknownProvider: no such provider has device codes.
        ProviderUnavailable: the provider cannot be reached.
    """
    _, authenticator = _device_authenticator(sign_in, provider)
    with provider_span(provider, "begin"):
        start = await authenticator.start_device()
    lifetime = timedelta(seconds=start.expires_in)
    state = DeviceState(provider=provider, keep=dict(start.keep), interval=start.interval)
    return {
        "device_code": cipher.encrypt(state, lifetime),
        "user_code": start.user_code,
        "verification_uri": start.verification_uri,
        "verification_uri_complete": start.verification_uri_complete,
        "expires_in": start.expires_in,
        "interval": start.interval,
    }


async def redeem(token_request: TokenRequest) -> TokenResponse:
    """Redeem a device code for a session, once the user has typed the code.

    Raises:
        OAuthError: the code is pending, polled too often or not valid.
        ProviderUnavailable: the provider cannot be reached.
    """
    services = token_request.services
    decrypted = services.cipher.decrypt(DeviceState, token_request.form.one("device_code"))
    if decrypted is None:
        raise OAuthError(EXPIRED, "the code is invalid or expired: begin again")
    provider = decrypted.data.provider
    token_request.note(provider=provider)
    try:
        capabilities, authenticator = _device_authenticator(services.sign_in, provider)
    except UnknownProvider:
        raise OAuthError(INVALID_GRANT, "the provider no longer exists or is disabled") from None
    await _enforce_interval(services.store, decrypted)
    with services.sign_in.counts.failures(provider), provider_span(provider, "poll"):
        outcome = await authenticator.poll_device(decrypted.data.keep)
    if isinstance(outcome, Pending):
        interval = timedelta(seconds=outcome.interval)
        if outcome.interval > decrypted.data.interval:
            await services.store.device_polls.slow_down(
                decrypted.id, datetime.now(UTC), interval - SLACK
            )
        more = {"interval": outcome.interval}
        raise OAuthError(PENDING, "the code has not been entered yet", more=more)
    if isinstance(outcome, Rejected) and outcome.reason in _EXPIRED_REASONS:
        raise OAuthError(EXPIRED, "the code was not entered in time: begin again")
    if not await services.store.nonces.spend(decrypted.id, decrypted.expires_at):
        raise OAuthError(INVALID_GRANT, "the code was used already: begin again")
    return TokenResponse(
        token_request.accepted(
            await services.sign_in.admit(
                provider,
                capabilities,
                outcome,
                token_request.address,
                user_agent=token_request.user_agent,
            )
        )
    )
