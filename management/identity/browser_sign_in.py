"""Sign in through a provider's pages: the redirect to the provider and the callback.

The state between the two is encrypted into a cookie of that browser, one for each sign-in
(:mod:`management.identity.sign_in_cookies`). A callback in another browser, or a second callback,
is refused. So a link cannot sign a user in to another user's account (RFC 6749 §10.12).
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from management.identity.loopback_redirect import LoopbackRedirect
from management.identity.provider_capabilities import ProviderCapabilities
from management.identity.sealed_state import DecryptedState, SealedState, StateCipher
from management.identity.sign_in import SignInService, UnknownProvider
from management.identity.sign_in_cookies import LIFETIME
from management.tracing.provider_calls import provider_span
from providers.base import BrowserAuthenticator, Outcome
from store.interfaces import Nonces


@dataclass(frozen=True, slots=True)
class SignInPurpose:
    """What a sign-in is for. By default: a session in this browser.

    ``target``: a session for a command line. ``link_user``: one more principal for that user, who
    requested it with the token named ``link_token``.
    """

    target: LoopbackRedirect | None = None
    link_user: str = ""
    link_token: str = ""


class PendingState(SealedState):
    """The state of a sign-in at ``provider``. ``keep`` is the provider's own."""

    purpose_name = "browser sign-in"

    provider: str
    keep: dict[str, str]
    target: tuple[str, str, str] | None
    link: tuple[str, str]

    @classmethod
    def of(cls, provider: str, keep: Mapping[str, str], purpose: SignInPurpose) -> "PendingState":
        """Return the state to encrypt."""
        to = purpose.target
        return cls(
            provider=provider,
            keep=dict(keep),
            target=(to.redirect_uri, to.state, to.challenge) if to is not None else None,
            link=(purpose.link_user, purpose.link_token),
        )

    @property
    def purpose(self) -> SignInPurpose:
        """Return what the sign-in is for."""
        target = LoopbackRedirect(*self.target) if self.target is not None else None
        return SignInPurpose(target, *self.link)


@dataclass(frozen=True, slots=True)
class PendingSignIn:
    """A sign-in that this browser began at ``provider``."""

    provider: str
    purpose: SignInPurpose
    decrypted: DecryptedState[PendingState]
    cookie: str
    """The name of the cookie with its state."""


class BrowserSignIn:
    """Redirect browsers to providers and complete their callbacks."""

    def __init__(
        self, sign_in: SignInService, nonces: Nonces, cipher: StateCipher, external_url: str
    ) -> None:
        self._sign_in = sign_in
        self._nonces = nonces
        self._cipher = cipher
        self._external_url = external_url

    async def begin(self, provider: str, purpose: SignInPurpose) -> tuple[str, str]:
        """Return the URL to redirect to, and the value of the cookie to set.

        Raises:
            UnknownProvider: no such provider signs users in with a browser.
            ProviderUnavailable: the provider cannot begin a sign-in now.
        """
        _, authenticator = self._browser_authenticator(provider)
        with provider_span(provider, "begin"):
            start = await authenticator.start_browser(self._callback(provider))
        state = PendingState.of(provider, start.keep, purpose)
        return start.url, self._cipher.encrypt(state, LIFETIME)

    def find_pending(
        self, provider: str, cookies: Mapping[str, str], state: str
    ) -> PendingSignIn | None:
        """Return the sign-in at ``provider`` that a callback belongs to, or None.

        ``cookies`` are the browser's sign-in cookies, ``state`` is the callback's. Of several
        sign-ins, only the one with that ``state`` matches: a link must not use up a sign-in that
        the user has pending. If the provider keeps no state, the latest sign-in matches.
        """
        found: PendingSignIn | None = None
        for name, sealed in cookies.items():
            decrypted = self._cipher.decrypt(PendingState, sealed)
            if decrypted is None or decrypted.data.provider != provider:
                continue
            one = PendingSignIn(provider, decrypted.data.purpose, decrypted, name)
            kept = decrypted.data.keep.get("state")
            if kept is not None:
                if hmac.compare_digest(kept.encode(), state.encode("utf-8", "surrogatepass")):
                    return one
            elif found is None or decrypted.expires_at > found.decrypted.expires_at:
                found = one
        return found

    async def finish(
        self, pending: PendingSignIn, parameters: Mapping[str, str]
    ) -> tuple[ProviderCapabilities, Outcome] | None:
        """Return the outcome of a sign-in; None if it was finished before.

        Raises:
            UnknownProvider: the provider no longer exists.
            ProviderUnavailable: the provider cannot complete the sign-in now.
            StoreUnavailable: the store cannot be read.
        """
        capabilities, authenticator = self._browser_authenticator(pending.provider)
        if not await self._nonces.spend(pending.decrypted.id, pending.decrypted.expires_at):
            return None
        keep = pending.decrypted.data.keep
        callback = self._callback(pending.provider)
        counted = self._sign_in.counts.failures(pending.provider)
        with counted, provider_span(pending.provider, "finish"):
            return capabilities, await authenticator.finish_browser(callback, keep, parameters)

    def _browser_authenticator(
        self, provider: str
    ) -> tuple[ProviderCapabilities, BrowserAuthenticator]:
        capabilities = self._sign_in.providers.get(provider)
        if capabilities is None or capabilities.browser is None:
            raise UnknownProvider(provider)
        return capabilities, capabilities.browser

    def _callback(self, provider: str) -> str:
        return f"{self._external_url}/v1/login/{quote(provider, safe='')}/callback"
