"""Signing in by the browser, between its leaving for a provider and its coming back.

What must be remembered meanwhile is sealed into a cookie of that browser. An answer that comes with
another browser, or a second time, is worth nothing: nobody can be signed in to somebody else's
account by a link (RFC 6749 §10.12).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from aiohttp import web

from management.door import Door
from management.loopback import LoopbackTarget
from management.sealed import Opened, Sealer
from management.sign_in import SignIn, UnknownProvider
from providers.base import BrowserAuthenticator, Outcome
from store.interfaces import OneTime

COOKIE = "__Host-sekisho-signin"
LIFETIME = timedelta(minutes=10)
"""How long somebody may take at the provider."""

_PURPOSE = "browser sign-in"


@dataclass(frozen=True, slots=True)
class Errand:
    """What a sign-in is for: a session in this browser, or

    a command line (``target``), or one more principal of ``link_user``, who asked for it with the
    token named ``link_token``.
    """

    target: LoopbackTarget | None = None
    link_user: str = ""
    link_token: str = ""

    def data(self) -> dict[str, Any]:
        """As JSON."""
        target = self.target
        return {
            "target": [target.redirect_uri, target.state, target.challenge] if target else None,
            "link": [self.link_user, self.link_token],
        }

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Errand":
        """From :meth:`data`."""
        target = LoopbackTarget(*data["target"]) if data["target"] else None
        return cls(target, *data["link"])


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in that this browser began at ``provider``."""

    provider: str
    errand: Errand
    opened: Opened


class BrowserSignIn:
    """Sends browsers away and takes them back."""

    def __init__(
        self, sign_in: SignIn, one_time: OneTime, sealer: Sealer, external_url: str
    ) -> None:
        self._sign_in = sign_in
        self._one_time = one_time
        self._sealer = sealer
        self._external_url = external_url

    async def begin(self, provider: str, errand: Errand) -> tuple[str, str]:
        """Where to send the browser, and the cookie that it must have when it is back.

        Raises UnknownProvider and ProviderUnavailable.
        """
        _, way = self._way(provider)
        start = await way.start_browser(self._callback(provider))
        data = {"provider": provider, "keep": dict(start.keep), "errand": errand.data()}
        return start.url, self._sealer.seal(_PURPOSE, data, LIFETIME)

    def begun(self, provider: str, cookie: str) -> Begun | None:
        """What the browser with that cookie began; None where it is nothing at ``provider``."""
        opened = self._sealer.open(_PURPOSE, cookie)
        if opened is None or opened.data["provider"] != provider:
            return None
        return Begun(provider, Errand.of(opened.data["errand"]), opened)

    async def finish(self, begun: Begun, answer: Mapping[str, str]) -> tuple[Door, Outcome] | None:
        """Who came back; None where they had been back before.

        Raises UnknownProvider, ProviderUnavailable and StoreUnavailable.
        """
        door, way = self._way(begun.provider)
        if not await self._one_time.spend(begun.opened.id, begun.opened.expires_at):
            return None
        keep = begun.opened.data["keep"]
        return door, await way.finish_browser(self._callback(begun.provider), keep, answer)

    def _way(self, provider: str) -> tuple[Door, BrowserAuthenticator]:
        door = self._sign_in.doors.get(provider)
        if door is None or door.browser is None:
            raise UnknownProvider(provider)
        return door, door.browser

    def _callback(self, provider: str) -> str:
        return f"{self._external_url}/v1/login/{quote(provider, safe='')}/callback"


def set_cookie(response: web.StreamResponse, sealed: str) -> None:
    """Give the browser what it must bring back.

    Lax, for it comes back from another site; the session's own cookie stays Strict.
    """
    response.set_cookie(
        COOKIE,
        sealed,
        max_age=int(LIFETIME.total_seconds()),
        path="/",
        secure=True,
        httponly=True,
        samesite="Lax",
    )


def clear_cookie(response: web.StreamResponse) -> None:
    """Take it away again."""
    response.del_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Lax")
