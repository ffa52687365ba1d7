"""A new session for one that is about to end: ``grant_type=refresh_token``.

For command lines, so that nobody types a password in the middle of a day's work. It goes on until
``sessions.renewable_for`` after the sign-in; whoever is cut off meanwhile has no session to renew.
"""

from datetime import UTC, datetime, timedelta

from management.oauth.errors import INVALID_GRANT, OAuthError
from management.oauth.grant import Asked, Granted
from management.sign_in import SignedIn
from management.tokens import renewable_until

GRANT = "refresh_token"
OVERLAP = timedelta(seconds=60)
"""How long the old one lives on, for kubectls that hold it already."""

_BAD = OAuthError(
    INVALID_GRANT, "the session has ended, or its sign-in was too long ago: sign in again"
)


async def redeem(asked: Asked) -> Granted:
    """A session for a session. Raises OAuthError, StoreUnavailable."""
    granting = asked.granting
    bearer = asked.form.one("refresh_token").encode("utf-8", "surrogatepass")
    resolved = await granting.resolver.resolve(bearer)
    if resolved is None or resolved.token.kind != "session":
        raise _BAD
    old = resolved.token
    now = datetime.now(UTC)
    until = renewable_until(old, granting.tokens.renewable_for)
    if until is None or until <= now:
        raise _BAD
    issued = await granting.tokens.issue(
        resolved.user,
        kind="session",
        principal_id=old.principal_id,
        description=old.description,
        not_after=until,
        signed_in_at=old.signed_in_at,
    )
    # What was revoked while the new one was made takes the new one with it.
    if not await granting.store.tokens.shorten(old.name, now + OVERLAP) and (
        await granting.store.tokens.get(old.name) is None
    ):
        await granting.store.tokens.revoke(issued.token.name)
        raise _BAD
    asked.note(user=resolved.user.id, token=issued.token.name, renewed=old.name)
    return Granted(SignedIn(resolved.user, issued))
