"""GitHub's REST API: requests with a user's token, paging, rate limits."""

import hashlib
import math
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from config.loggers import get_logger
from providers.base import ProviderUnavailable
from providers.github.rate_limits import retry_delay
from providers.http.client import HttpClient, HttpResponse

VERSION = "2022-11-28"
MAX_PAGES = 50
PER_PAGE = 100
_MAX_PAUSED = 10_000
_NEXT_PAGE = re.compile(r'<([^<>]+)>;\s*rel="next"')
_LOG = get_logger(__name__)


class InvalidToken(Exception):
    """The token is not accepted (401)."""


class Suspended(Exception):
    """The account of the token's owner is suspended."""


class AccessDenied(Exception):
    """The token has no access (403, 404). The message is GitHub's.

    ``single_sign_on``: the owner must pass an organization's single sign-on first.
    """

    def __init__(self, message: str = "", *, single_sign_on: bool = False) -> None:
        super().__init__(message or "no reason given")
        self.single_sign_on = single_sign_on


class GithubApi:
    """The REST API at ``url``."""

    def __init__(
        self, url: str, http: HttpClient, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self._url = url
        self._http = http
        self._wall_clock = wall_clock
        self._paused: dict[bytes, float] = {}

    async def get(self, path: str, token: str) -> Any:
        """Return the JSON value at ``path``.

        Raises:
            InvalidToken: the token is not accepted.
            Suspended: its owner is suspended.
            AccessDenied: the token has no access.
            ProviderUnavailable: GitHub does not respond, or its rate limit is reached.
        """
        return (await self._ask(f"{self._url}{path}", token)).json()

    async def pages(
        self, path: str, token: str, hidden: set[str] | None = None
    ) -> AsyncIterator[Mapping[str, Any]]:
        """Yield every object of a list, from all pages. Raises the exceptions of :meth:`get`.

        The ids of organizations that GitHub omits from the list are added to ``hidden``.
        """
        joint = "&" if "?" in path else "?"
        url = f"{self._url}{path}{joint}per_page={PER_PAGE}"
        for _ in range(MAX_PAGES):
            response = await self._ask(url, token)
            if hidden is not None:
                hidden |= hidden_organisations(response.headers)
            listed = response.json()
            if not isinstance(listed, list):
                raise ProviderUnavailable("GitHub's response is not a list")
            for one in listed:
                if isinstance(one, dict):
                    yield one
            following = self._next(response.headers)
            if following is None:
                return
            url = following
        raise ProviderUnavailable(f"GitHub has more than {MAX_PAGES} pages")

    async def _ask(self, url: str, token: str) -> HttpResponse:
        key = hashlib.sha256(token.encode()).digest()
        self._check_pause(key)
        response = await self._http.request(
            "GET",
            url,
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {token}",
                "X-GitHub-Api-Version": VERSION,
            },
        )
        if response.status == 200:
            self._log_missing_sign_on(response.headers)
            return response
        message = _message(response)
        wait = retry_delay(response.status, response.headers, message, self._wall_clock())
        if wait is not None:
            self._pause(key, wait)
            raise ProviderUnavailable("GitHub's rate limit is reached", retry_after=wait)
        if response.status == 401:
            raise InvalidToken
        if response.status == 403 and "suspended" in message.lower():
            raise Suspended
        if response.status in {403, 404}:
            sign_on = response.headers.get("X-GitHub-SSO", "")
            required = sign_on.startswith("required") or "saml" in message.lower()
            raise AccessDenied(message[:200], single_sign_on=response.status == 403 and required)
        raise ProviderUnavailable(f"GitHub responded {response.status}")

    def _check_pause(self, key: bytes) -> None:
        """Raise ProviderUnavailable during a rate limit: GitHub may ban clients that continue."""
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
        """Return the URL of the next page (RFC 8288). It must be in this API: it gets the token."""
        found = _NEXT_PAGE.search(headers.get("Link", ""))
        if found is None:
            return None
        if not found[1].startswith(self._url + "/"):
            raise ProviderUnavailable("GitHub's next page is at another host")
        return found[1]

    def _log_missing_sign_on(self, headers: Mapping[str, str]) -> None:
        """Log that a list omits organizations whose SAML sign-on the user has not passed."""
        value = headers.get("X-GitHub-SSO", "")
        if value.startswith("partial-results"):
            _LOG.warning("organizations omitted: single sign-on is missing", organizations=value)


def hidden_organisations(headers: Mapping[str, str]) -> set[str]:
    """Return the ids of omitted organizations whose single sign-on the user has not passed."""
    kind, _, rest = headers.get("X-GitHub-SSO", "").partition(";")
    if kind.strip() != "partial-results":
        return set()
    ids = rest.partition("organizations=")[2].split(",")
    return {one.strip() for one in ids if one.strip().isdigit()} or {"unknown"}


def _message(response: HttpResponse) -> str:
    try:
        message = response.object().get("message")
    except ProviderUnavailable:
        return ""
    return message if isinstance(message, str) else ""
