"""GitHub's REST API: asked with somebody's token, page by page, and within its limits."""

import hashlib
import math
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import structlog

from providers.base import ProviderUnavailable
from providers.github_limits import wait_after
from providers.http_client import Answer, HttpClient

VERSION = "2022-11-28"
MAX_PAGES = 50
PER_PAGE = 100
_MAX_PAUSED = 10_000
_LOG = structlog.get_logger("sekisho.github")


class NotGood(Exception):
    """The token is not accepted (401)."""


class Suspended(Exception):
    """Its owner's account is suspended."""


class Denied(Exception):
    """It doesn't reach that (403, 404)."""


class GithubApi:
    """One GitHub's REST API at ``url``."""

    def __init__(
        self, url: str, http: HttpClient, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self._url = url
        self._http = http
        self._wall_clock = wall_clock
        self._paused: dict[bytes, float] = {}

    async def get(self, path: str, token: str) -> Any:
        """What is at ``path``. Raises NotGood, Suspended, Denied and ProviderUnavailable."""
        return (await self._ask(f"{self._url}{path}", token)).json()

    async def pages(self, path: str, token: str) -> AsyncIterator[Mapping[str, Any]]:
        """Every object of a list, however many pages it has. Raises as :meth:`get` does."""
        joint = "&" if "?" in path else "?"
        url = f"{self._url}{path}{joint}per_page={PER_PAGE}"
        for _ in range(MAX_PAGES):
            answer = await self._ask(url, token)
            listed = answer.json()
            if not isinstance(listed, list):
                raise ProviderUnavailable("GitHub answered with what isn't a list")
            for one in listed:
                if isinstance(one, dict):
                    yield one
            following = self._next(answer.headers)
            if following is None:
                return
            url = following
        raise ProviderUnavailable(f"GitHub has more than {MAX_PAGES} pages")

    async def _ask(self, url: str, token: str) -> Answer:
        key = hashlib.sha256(token.encode()).digest()
        self._hold_back(key)
        answer = await self._http.request(
            "GET",
            url,
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {token}",
                "X-GitHub-Api-Version": VERSION,
            },
        )
        if answer.status == 200:
            self._tell_of_sso(answer.headers)
            return answer
        message = _message(answer)
        wait = wait_after(answer.status, answer.headers, message, self._wall_clock())
        if wait is not None:
            self._pause(key, wait)
            raise ProviderUnavailable("GitHub's rate limit is reached", retry_after=wait)
        if answer.status == 401:
            raise NotGood
        if answer.status == 403 and "suspended" in message.lower():
            raise Suspended
        if answer.status in {403, 404}:
            raise Denied
        raise ProviderUnavailable(f"GitHub answered {answer.status}")

    def _hold_back(self, key: bytes) -> None:
        """Send nothing while a limit holds: GitHub may ban who goes on (secondary limits)."""
        until = self._paused.get(key)
        if until is None:
            return
        left = until - self._wall_clock()
        if left > 0:
            wait = math.ceil(left)
            raise ProviderUnavailable("GitHub's rate limit is reached", retry_after=wait)
        del self._paused[key]

    def _pause(self, key: bytes, seconds: int) -> None:
        if len(self._paused) >= _MAX_PAUSED:
            self._paused.pop(next(iter(self._paused)))
        self._paused[key] = self._wall_clock() + seconds

    def _next(self, headers: Mapping[str, str]) -> str | None:
        """The next page (RFC 8288), at this API and nowhere else: the token goes with it."""
        found = re.search(r'<([^<>]+)>;\s*rel="next"', headers.get("Link", ""))
        if found is None:
            return None
        if not found[1].startswith(self._url + "/"):
            raise ProviderUnavailable("GitHub's next page is somewhere else")
        return found[1]

    def _tell_of_sso(self, headers: Mapping[str, str]) -> None:
        """Organisations whose SAML sign-on the token hasn't passed are left out of lists."""
        said = headers.get("X-GitHub-SSO", "")
        if said.startswith("partial-results"):
            _LOG.warning("organisations left out: single sign-on is missing", organisations=said)


def _message(answer: Answer) -> str:
    try:
        said = answer.object().get("message")
    except ProviderUnavailable:
        return ""
    return said if isinstance(said, str) else ""
