"""The grant ``authorization_code``: a command line's code for a session.

The code names the user who has signed in. The session is created when the code is redeemed, by the
holder of the PKCE verifier with whose challenge the sign-in began. A code lives for a minute and
can be redeemed once.
"""

from datetime import timedelta
from urllib.parse import unquote

from management.identity.loopback_redirect import LoopbackRedirect, verify_pkce
from management.identity.sealed_state import SealedState, StateCipher
from management.oauth.errors import INVALID_GRANT, OAuthError
from management.oauth.grants import TokenRequest, TokenResponse
from providers.base import ExternalIdentity
from store.records import User

GRANT = "authorization_code"
LIFETIME = timedelta(seconds=60)
_BAD = OAuthError(INVALID_GRANT, "the code is invalid, expired or already used: sign in again")


class CodeState(SealedState):
    """The state of a code."""

    purpose_name = "command line's code"

    provider: str
    user: str
    principal: str
    redirect_uri: str
    challenge: str
    must_change_password: bool


def make_code(
    cipher: StateCipher,
    provider: str,
    user: User,
    identity: ExternalIdentity,
    target: LoopbackRedirect,
) -> str:
    """Return a code for ``user``, who has just signed in at ``provider``."""
    state = CodeState(
        provider=provider,
        user=user.id,
        principal=identity.principal_id,
        redirect_uri=target.redirect_uri,
        challenge=target.challenge,
        must_change_password=identity.must_change_password,
    )
    return cipher.encrypt(state, LIFETIME)


async def redeem(token_request: TokenRequest) -> TokenResponse:
    """Redeem a code for a session.

    Raises:
        OAuthError: the code cannot be redeemed.
        StoreUnavailable: the store cannot be read.
    """
    services, form = token_request.services, token_request.form
    decrypted = services.cipher.decrypt(CodeState, form.one("code"))
    verifier, redirect_uri = form.one("code_verifier"), form.one("redirect_uri")
    if decrypted is None:
        raise _BAD
    state = decrypted.data
    token_request.note(provider=state.provider)
    # Spent before the verifier is checked: there is only one guess at the verifier.
    if not await services.store.nonces.spend(decrypted.id, decrypted.expires_at):
        raise _BAD
    if unquote(redirect_uri) != unquote(state.redirect_uri):
        raise _BAD
    if not verify_pkce(verifier, state.challenge):
        raise _BAD
    outcome = await services.sign_in.resume(
        state.provider,
        state.user,
        state.principal,
        token_request.address,
        must_change_password=state.must_change_password,
        user_agent=token_request.user_agent,
    )
    return TokenResponse(token_request.accepted(outcome))
