"""The input and output of every grant."""

from dataclasses import dataclass

from aiohttp import web

from management.authentication.external_tokens import ExternalTokens
from management.authentication.token_authenticator import TokenAuthenticator
from management.http.request_notes import (
    add_audit_note,
    address_of,
    describe_rejection,
    user_agent_of,
)
from management.identity.sealed_state import StateCipher
from management.identity.sign_in import SignInResult, SignInService
from management.identity.tokens import TokenIssuer
from management.oauth.errors import ACCESS_DENIED, OAuthError
from management.oauth.form import Form
from providers.base import Rejected
from store.interfaces import Store


@dataclass(frozen=True, slots=True)
class GrantServices:
    """The services that the grants use."""

    store: Store
    tokens: TokenIssuer
    sign_in: SignInService
    authenticator: TokenAuthenticator
    cipher: StateCipher
    external_tokens: ExternalTokens


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """One request to the token endpoint."""

    request: web.Request
    form: Form
    services: GrantServices

    @property
    def address(self) -> str:
        """Return the client's address."""
        return address_of(self.request)

    @property
    def user_agent(self) -> str:
        """Return the name of the client's program."""
        return user_agent_of(self.request)

    def note(self, **facts: str) -> None:
        """Add facts about the request to the audit log."""
        add_audit_note(self.request, **facts)

    def accepted(self, outcome: SignInResult | Rejected) -> SignInResult:
        """Return a successful sign-in. The reason of a rejection goes to the audit log only.

        Raises:
            OAuthError: the sign-in was rejected.
        """
        if isinstance(outcome, Rejected):
            self.note_rejection(outcome)
            raise OAuthError(
                ACCESS_DENIED, "the sign-in was rejected; the audit log has the reason"
            )
        self.note(user=outcome.user.id, token=outcome.issued.token.name)
        return outcome

    def note_rejection(self, why: Rejected) -> None:
        """Write the reason of a rejection to the audit log."""
        self.note(rejected=describe_rejection(why))


@dataclass(frozen=True, slots=True)
class TokenResponse:
    """A token that was granted."""

    signed_in: SignInResult
    exchanged: bool = False
