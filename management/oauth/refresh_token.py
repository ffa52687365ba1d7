"""The grant ``refresh_token``: a new session for one that is about to end.

For command lines, so that users need not type a password during a working day. Renewal is possible
until ``sessions.renewable_for`` after the sign-in. A user who is disabled in the meantime has no
session to renew.
"""

from datetime import UTC, datetime, timedelta

from management.identity.sign_in import SignInResult
from management.identity.tokens import TokenSpec, renewable_until
from management.oauth.errors import INVALID_GRANT, OAuthError
from management.oauth.grants import TokenRequest, TokenResponse
from store.errors import ParentGone

GRANT = "refresh_token"
OVERLAP = timedelta(seconds=60)
"""How long the old session stays valid, for kubectl processes that already hold it."""

_BAD = OAuthError(
    INVALID_GRANT, "the session has ended, or its sign-in was too long ago: sign in again"
)

_CONFINED = OAuthError(INVALID_GRANT, "change your password first, then sign in again")


async def redeem(token_request: TokenRequest) -> TokenResponse:
    """Redeem a session for a new one.

    Raises:
        OAuthError: the session cannot be renewed.
        StoreUnavailable: the store cannot be read.
    """
    services = token_request.services
    bearer = token_request.form.one("refresh_token").encode("utf-8", "surrogatepass")
    authenticated = await services.authenticator.resolve(bearer)
    if authenticated is None or authenticated.token.kind != "session":
        raise _BAD
    old = authenticated.token
    if old.confined:
        raise _CONFINED
    principal = await services.store.identities.get(old.principal_id)
    if principal is None or principal.grant_ended_at is not None:
        # Its provider can no longer refresh it: only a new sign-in proves the account.
        raise _BAD
    now = datetime.now(UTC)
    until = renewable_until(old, services.tokens.renewable_for)
    if until is None or until <= now:
        raise _BAD
    try:
        issued = await services.tokens.issue(
            authenticated.user,
            TokenSpec(
                kind="session",
                principal_id=old.principal_id,
                description=old.description,
                not_after=until,
            ),
            made_with=old,
        )
    except ParentGone:
        raise _BAD from None  # revoked while the new session was issued
    await services.store.tokens.shorten(old.name, now + OVERLAP)
    token_request.note(user=authenticated.user.id, token=issued.token.name, renewed=old.name)
    return TokenResponse(SignInResult(authenticated.user, issued))
