"""A command line's code for its session: ``grant_type=authorization_code``.

The code says who has signed in; the session is made when it is redeemed, by whoever holds the key
of the PKCE challenge with which the sign-in began. It lives for a minute and is good once.
"""

from datetime import timedelta
from urllib.parse import unquote

from management.loopback import LoopbackTarget, proves
from management.oauth.errors import INVALID_GRANT, OAuthError
from management.oauth.grant import Asked, Granted
from management.sealed import Sealer
from providers.base import ExternalIdentity
from store.interfaces import User

GRANT = "authorization_code"
LIFETIME = timedelta(seconds=60)
_PURPOSE = "command line's code"
_BAD = OAuthError(INVALID_GRANT, "the code is not valid, has ended, or was used before")


def make_code(
    sealer: Sealer, provider: str, user: User, identity: ExternalIdentity, target: LoopbackTarget
) -> str:
    """A code for ``user``, who has just signed in at ``provider``."""
    data = {
        "provider": provider,
        "user": user.id,
        "principal": identity.principal_id,
        "redirect_uri": target.redirect_uri,
        "challenge": target.challenge,
        "must_change_password": identity.must_change_password,
    }
    return sealer.seal(_PURPOSE, data, LIFETIME)


async def redeem(asked: Asked) -> Granted:
    """A session for a code. Raises OAuthError, StoreUnavailable."""
    granting, form = asked.granting, asked.form
    opened = granting.sealer.open(_PURPOSE, form.one("code"))
    verifier, redirect_uri = form.one("code_verifier"), form.one("redirect_uri")
    if opened is None:
        raise _BAD
    data = opened.data
    asked.note(provider=data["provider"])
    # Used up whatever comes of it: who guesses at the verifier has one guess.
    if not await granting.store.one_time.spend(opened.id, opened.expires_at):
        raise _BAD
    if unquote(redirect_uri) != unquote(data["redirect_uri"]):
        raise _BAD
    if not proves(verifier, data["challenge"]):
        raise _BAD
    outcome = await granting.sign_in.resume(
        data["provider"],
        data["user"],
        data["principal"],
        asked.address,
        must_change_password=data["must_change_password"],
    )
    return Granted(asked.let_in(outcome))
