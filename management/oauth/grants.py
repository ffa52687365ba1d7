"""What every grant gets, and what it gives."""

from dataclasses import dataclass

from aiohttp import web

from management.foreign_bearers import ForeignBearers
from management.oauth.errors import ACCESS_DENIED, OAuthError
from management.oauth.form import Form
from management.resolver import TokenResolver
from management.sealed import Sealer
from management.sign_in import SignedIn, SignIn
from management.telling import address_of, note, told
from management.tokens import TokenService
from providers.base import Refused
from store.interfaces import Store


@dataclass(frozen=True, slots=True)
class Granting:
    """What the grants work with."""

    store: Store
    tokens: TokenService
    sign_in: SignIn
    resolver: TokenResolver
    sealer: Sealer
    bearers: ForeignBearers


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to the token endpoint."""

    request: web.Request
    form: Form
    granting: Granting

    @property
    def address(self) -> str:
        """From where it came."""
        return address_of(self.request)

    def note(self, **said: str) -> None:
        """Say more about it, for the audit log."""
        note(self.request, **said)

    def let_in(self, outcome: SignedIn | Refused) -> SignedIn:
        """Somebody who was let in; else the refusal, told to the audit log and not to them."""
        if isinstance(outcome, Refused):
            self.refuse(outcome)
            raise OAuthError(ACCESS_DENIED, "the sign-in was refused")
        self.note(user=outcome.user.id, token=outcome.issued.token.name)
        return outcome

    def refuse(self, why: Refused) -> None:
        """Tell the audit log why somebody was refused."""
        self.note(refused=told(why))


@dataclass(frozen=True, slots=True)
class Granted:
    """A token that was granted."""

    signed_in: SignedIn
    exchanged: bool = False
