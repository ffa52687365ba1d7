"""The provider type ``github``: people of github.com or of a GitHub Enterprise Server.

They sign in at GitHub's own pages, or by a code typed on another device. People, organisations and
teams are keyed by their numeric ids, which GitHub never gives to another. The token that GitHub
gives for them is kept, encrypted, to ask about them later, and revoked where they are unlinked.
"""

import hmac
import secrets
import time
from collections.abc import Callable, Mapping, Sequence

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from pydantic import BaseModel

from providers.base import (
    BrowserStart,
    CannotRefresh,
    DeviceStart,
    ExternalIdentity,
    FoundPrincipal,
    Outcome,
    Pending,
    Provider,
    ProviderContext,
    ProviderUnavailable,
    Refused,
)
from providers.github_api import GithubApi, NotGood
from providers.github_oauth import DEVICE_GRANT, GithubOAuth, UserToken
from providers.github_people import GithubPeople, Schemes
from providers.github_search import GithubSearch
from providers.github_settings import GithubSettings
from providers.http_client import HttpClient

EARLY_SECONDS = 300.0
"""How long before its end a token is replaced."""


class GithubProvider:
    """Signs people in at one GitHub, finds them, and asks about them later."""

    def __init__(
        self,
        name: str,
        settings: GithubSettings,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._name = name
        self._settings = settings
        self._wall_clock = wall_clock
        self._http = HttpClient(
            ca_file=settings.ca_file,
            timeout_seconds=settings.timeout.total_seconds(),
            proxy=settings.proxy,
        )
        api = GithubApi(settings.api, self._http, wall_clock)
        self._oauth = GithubOAuth(settings, self._http, wall_clock)
        self._people = GithubPeople(name, settings, api)
        self._search = GithubSearch(name, settings, api)

    @property
    def name(self) -> str:
        """What the operator called it."""
        return self._name

    async def start(self) -> None:
        """Get ready; GitHub is asked when it is needed."""
        await self._http.start()

    async def close(self) -> None:
        """Let go of every connection."""
        await self._http.close()

    async def check(self) -> None:
        """Raise ProviderUnavailable where GitHub doesn't answer. Needs no token, and no limit's
        worth: any answer but a failure of the server's will do.
        """
        answer = await self._http.request("GET", f"{self._settings.api}/rate_limit")
        if answer.status >= 500:
            raise ProviderUnavailable(f"GitHub answered {answer.status}")

    async def start_browser(self, redirect_uri: str) -> BrowserStart:
        """Begin a sign-in at GitHub's pages."""
        state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
        challenge = create_s256_code_challenge(verifier)
        url = self._oauth.authorize_url(redirect_uri, state=state, challenge=challenge)
        return BrowserStart(url, {"state": state, "verifier": verifier})

    async def finish_browser(
        self, redirect_uri: str, keep: Mapping[str, str], answer: Mapping[str, str]
    ) -> Outcome:
        """Who came back from them."""
        if not hmac.compare_digest(answer.get("state", "").encode(), keep["state"].encode()):
            return Refused("state_mismatch")
        if "error" in answer:
            return Refused("access_denied", answer["error"][:64])
        if not answer.get("code"):
            return Refused("code_missing")
        token = await self._oauth.token(
            {
                "code": answer["code"],
                "redirect_uri": redirect_uri,
                "code_verifier": keep["verifier"],
            }
        )
        if isinstance(token, Refused):
            return Refused("code_refused", token.reason)
        return await self._owner(token)

    async def start_device(self) -> DeviceStart:
        """Ask for a code."""
        return await self._oauth.device()

    async def poll_device(self, keep: Mapping[str, str]) -> Outcome | Pending:
        """Who typed it, if somebody has."""
        token = await self._oauth.token({"device_code": keep["code"], "grant_type": DEVICE_GRANT})
        if isinstance(token, UserToken):
            return await self._owner(token)
        interval = int(keep["interval"])
        if token.reason == "authorization_pending":
            return Pending(interval)
        if token.reason == "slow_down":
            told = token.detail
            return Pending(int(told) if told.isascii() and told.isdigit() else interval + 5)
        return Refused(token.reason)

    async def refresh(self, principal_id: str, secret: str | None) -> Outcome:
        """The identity as it is now.

        Refused only where GitHub says in so many words that the token is revoked, its owner
        suspended, or in nothing that is allowed any more.
        """
        if not secret:
            raise CannotRefresh(principal_id)
        token = await self._current(UserToken.of(secret))
        if isinstance(token, Refused):
            return token
        fresh = token.secret()
        try:
            outcome = await self._people.owner(token.access_token, fresh)
        except NotGood:
            return await self._not_good(token, fresh)
        except ProviderUnavailable as exc:
            kept = fresh if fresh != secret else None
            raise ProviderUnavailable(str(exc), retry_after=exc.retry_after, secret=kept) from exc
        if isinstance(outcome, ExternalIdentity) and outcome.principal_id != principal_id:
            return Refused("subject_mismatch")
        return outcome

    async def revoke_grant(self, principal_id: str, secret: str) -> None:
        """Have GitHub forget that its owner let us in."""
        await self._oauth.revoke(self._settings.api, UserToken.of(secret).access_token)

    async def search(self, text: str, *, limit: int) -> Sequence[FoundPrincipal]:
        """People, organisations and teams whose names begin with ``text``."""
        return await self._search.search(text, limit=limit)

    async def _owner(self, token: UserToken) -> Outcome:
        missing = sorted({"read:org"}.intersection(self._settings.scopes) - {*token.scopes})
        if missing:
            # Without it GitHub tells of public memberships only.
            return Refused("scope_missing", " ".join(missing))
        try:
            return await self._people.owner(token.access_token, token.secret())
        except NotGood:
            raise ProviderUnavailable("GitHub doesn't accept its own new token") from None

    async def _current(self, token: UserToken) -> UserToken | Refused:
        """The token, or its successor where it has ended (GitHub Apps)."""
        ends = token.expires_at
        if ends is None or ends - self._wall_clock() > EARLY_SECONDS:
            return token
        fresh = await self._oauth.token(
            {"grant_type": "refresh_token", "refresh_token": token.refresh_token}
        )
        return Refused("token_revoked") if isinstance(fresh, Refused) else fresh

    async def _not_good(self, token: UserToken, fresh: str) -> Refused:
        """A 401 may be anybody's mistake: it counts where the app is told the same."""
        try:
            revoked = await self._oauth.is_revoked(self._settings.api, token.access_token)
        except ProviderUnavailable as exc:
            raise ProviderUnavailable(str(exc), secret=fresh) from exc
        if not revoked:
            raise ProviderUnavailable("GitHub answered 401 for a good token", secret=fresh)
        return Refused("token_revoked")


class GithubType:
    """The entry point."""

    settings_model: type[BaseModel] = GithubSettings

    def schemes(self, name: str, settings: GithubSettings) -> tuple[str, ...]:
        """Those of github.com, or of this GitHub alone."""
        mine = Schemes.of(name, settings)
        return (mine.user, mine.org, mine.team)

    def create(self, name: str, settings: GithubSettings, context: ProviderContext) -> Provider:
        """A provider for one GitHub."""
        return GithubProvider(name, settings)


PROVIDER = GithubType()
