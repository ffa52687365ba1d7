"""The provider type ``github``: users of github.com or of a GitHub Enterprise Server.

Users sign in on GitHub's pages, or with a code on another device. The keys of users, organizations
and teams are their numeric ids, which GitHub never reuses. Sekisho stores the user's token,
encrypted, for refreshes, and revokes it when the principal is unlinked.
"""

import hmac
import secrets
import time
from collections.abc import Callable, Mapping, Sequence

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from pydantic import BaseModel

from config.address_policy import ANY_ADDRESS, AddressPolicy
from providers.base import (
    BrowserStart,
    CannotRefresh,
    DeviceStart,
    ExternalIdentity,
    FoundPrincipal,
    GrantEnded,
    Outcome,
    Pending,
    Provider,
    ProviderContext,
    ProviderUnavailable,
    Rejected,
)
from providers.github.api import GithubApi, InvalidToken
from providers.github.identity import GithubIdentityReader, Schemes, SignOnMissing
from providers.github.oauth import DEVICE_GRANT, GithubOAuth, UserToken
from providers.github.search import GithubSearch
from providers.github.settings import GithubSettings
from providers.http.provider import HttpProvider

_ENDED = frozenset({"bad_refresh_token", "bad_verification_code", "expired_token"})
"""GitHub's error codes for a refresh token that is no longer valid."""

EARLY_SECONDS = 300.0
"""How long before its end a token is refreshed."""


class GithubProvider(HttpProvider):
    """Sign-in, refresh and search with one GitHub."""

    def __init__(
        self,
        name: str,
        settings: GithubSettings,
        wall_clock: Callable[[], float] = time.time,
        addresses: AddressPolicy = ANY_ADDRESS,
    ) -> None:
        super().__init__(name, settings, addresses)
        self._settings = settings
        self._wall_clock = wall_clock
        api = GithubApi(settings.api, self._http, wall_clock)
        self._oauth = GithubOAuth(settings, self._http, wall_clock)
        self._identities = GithubIdentityReader(name, settings, api)
        self._search = GithubSearch(name, settings, api)

    async def check(self) -> None:
        """Raise ProviderUnavailable if GitHub does not respond, or responds with a server error.

        The request needs no token and does not count for rate limits.
        """
        response = await self._http.request("GET", f"{self._settings.api}/rate_limit")
        if response.status >= 500:
            raise ProviderUnavailable(f"GitHub responded {response.status}")

    async def start_browser(self, redirect_uri: str) -> BrowserStart:
        """Begin a sign-in on GitHub's pages."""
        state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
        challenge = create_s256_code_challenge(verifier)
        url = self._oauth.authorize_url(redirect_uri, state=state, challenge=challenge)
        return BrowserStart(url, {"state": state, "verifier": verifier})

    async def finish_browser(
        self, redirect_uri: str, keep: Mapping[str, str], answer: Mapping[str, str]
    ) -> Outcome:
        """Return the identity that signed in on GitHub's pages."""
        if not keep.keys() >= {"state", "verifier"}:
            return Rejected("state_mismatch", "another provider began the sign-in")
        if not hmac.compare_digest(answer.get("state", "").encode(), keep["state"].encode()):
            return Rejected("state_mismatch")
        if "error" in answer:
            return Rejected("access_denied", answer["error"][:64])
        if not answer.get("code"):
            return Rejected("code_missing")
        token = await self._oauth.token(
            {
                "code": answer["code"],
                "redirect_uri": redirect_uri,
                "code_verifier": keep["verifier"],
            }
        )
        if isinstance(token, Rejected):
            return Rejected("code_refused", token.reason)
        return await self._owner(token)

    async def start_device(self) -> DeviceStart:
        """Request a device code."""
        return await self._oauth.device()

    async def poll_device(self, keep: Mapping[str, str]) -> Outcome | Pending:
        """Return the identity that entered the code, or Pending."""
        if not keep.keys() >= {"code", "interval"}:
            return Rejected("expired", "another provider began the sign-in")
        token = await self._oauth.token({"device_code": keep["code"], "grant_type": DEVICE_GRANT})
        if isinstance(token, UserToken):
            return await self._owner(token)
        interval = int(keep["interval"])
        if token.reason == "authorization_pending":
            return Pending(interval)
        if token.reason == "slow_down":
            new = token.detail
            return Pending(int(new) if new.isascii() and new.isdigit() else interval + 5)
        return Rejected(token.reason)

    async def refresh(self, principal_id: str, secret: str | None) -> Outcome:
        """Return the current identity.

        Rejected only if GitHub states explicitly that the token is revoked, that its owner is
        suspended, or that the user is no longer in anything that is allowed.
        """
        if not secret:
            raise CannotRefresh(principal_id)
        try:
            last = UserToken.of(secret)
        except ValueError:
            raise CannotRefresh(principal_id) from None
        token = await self._current(last)
        fresh = token.secret()
        try:
            outcome = await self._identities.owner(token.access_token, fresh)
        except InvalidToken:
            return await self._confirm_revoked(token, fresh)
        except SignOnMissing as exc:
            raise ProviderUnavailable(f"single sign-on is missing: {exc}", secret=fresh) from None
        except ProviderUnavailable as exc:
            kept = fresh if fresh != secret else None
            raise ProviderUnavailable(str(exc), retry_after=exc.retry_after, secret=kept) from exc
        if isinstance(outcome, ExternalIdentity) and outcome.principal_id != principal_id:
            return Rejected("subject_mismatch")
        return outcome

    async def revoke_grant(self, principal_id: str, secret: str) -> None:
        """Revoke the user's grant at GitHub."""
        try:
            kept = UserToken.of(secret)
        except ValueError:
            return  # not a stored token: nothing to revoke
        await self._oauth.revoke(self._settings.api, kept.access_token)

    async def search(self, text: str, *, limit: int) -> Sequence[FoundPrincipal]:
        """Return users, organizations and teams with names that begin with ``text``."""
        return await self._search.search(text, limit=limit)

    async def _owner(self, token: UserToken) -> Outcome:
        missing = sorted({"read:org"}.intersection(self._settings.scopes) - {*token.scopes})
        if missing:
            # Without the scope GitHub returns public memberships only.
            return Rejected("scope_missing", " ".join(missing))
        try:
            return await self._identities.owner(token.access_token, token.secret())
        except SignOnMissing as exc:
            return Rejected("single_sign_on_missing", str(exc))
        except InvalidToken:
            raise ProviderUnavailable("GitHub does not accept its own new token") from None

    async def _current(self, token: UserToken) -> UserToken:
        """Return the token, refreshed if it ends soon (GitHub Apps). Raises GrantEnded."""
        ends = token.expires_at
        if ends is None or ends - self._wall_clock() > EARLY_SECONDS:
            return token
        fresh = await self._oauth.token(
            {"grant_type": "refresh_token", "refresh_token": token.refresh_token}
        )
        if isinstance(fresh, Rejected):
            if fresh.reason in _ENDED:
                # Refresh tokens also expire: the state of the account is unknown.
                raise GrantEnded(f"GitHub responded {fresh.reason}")
            raise ProviderUnavailable(f"GitHub responded {fresh.reason!r} to a refresh")
        return fresh

    async def _confirm_revoked(self, token: UserToken, fresh: str) -> Rejected:
        """Return a rejection if GitHub confirms a 401 to the app; other causes may give a 401."""
        try:
            revoked = await self._oauth.is_revoked(self._settings.api, token.access_token)
        except ProviderUnavailable as exc:
            raise ProviderUnavailable(str(exc), secret=fresh) from exc
        if not revoked:
            raise ProviderUnavailable("GitHub responded 401 for a valid token", secret=fresh)
        return Rejected("token_revoked")


class GithubType:
    """The entry point ``github``."""

    settings_model: type[BaseModel] = GithubSettings

    def schemes(self, name: str, settings: GithubSettings) -> tuple[str, ...]:
        """Return the schemes of github.com, or those of this GitHub server."""
        schemes = Schemes.of(name, settings)
        return (schemes.user, schemes.org, schemes.team)

    def create(self, name: str, settings: GithubSettings, context: ProviderContext) -> Provider:
        """Return a provider called ``name``."""
        return GithubProvider(name, settings, addresses=context.addresses)


PROVIDER = GithubType()
