"""Search users, organizations and teams of GitHub by the beginning of their names."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from providers.base import FoundPrincipal, ProviderUnavailable
from providers.github.api import AccessDenied, GithubApi, InvalidToken, Suspended
from providers.github.identity import Schemes
from providers.github.settings import GithubSettings

_NAME = re.compile(r"[A-Za-z0-9-]{1,39}")
"""The characters of a login. Other text is not sent, so that it cannot contain qualifiers."""


class GithubSearch:
    """Search with the operator's token."""

    def __init__(self, name: str, settings: GithubSettings, api: GithubApi) -> None:
        self._settings = settings
        self._api = api
        self._schemes = Schemes.of(name, settings)

    async def search(self, text: str, *, limit: int) -> list[FoundPrincipal]:
        """Return users and organizations, then teams of the allowed organizations."""
        token = self._settings.search_token
        if token is None or limit < 1 or not _NAME.fullmatch(text):
            return []
        try:
            found = await self._logins(text, token.get_secret_value(), limit)
            if len(found) < limit:
                found += await self._teams(text, token.get_secret_value())
        except (InvalidToken, AccessDenied, Suspended):
            raise ProviderUnavailable("GitHub does not accept the search_token") from None
        return found[:limit]

    async def _logins(self, text: str, token: str, limit: int) -> list[FoundPrincipal]:
        path = f"/search/users?q={quote(text + ' in:login')}&per_page={min(limit, 100)}"
        fields = await self._api.get(path, token)
        items = fields.get("items") if isinstance(fields, dict) else None
        if not isinstance(items, list):
            raise ProviderUnavailable("GitHub's search returned no items")
        found = (self._found(one) for one in items if isinstance(one, dict))
        return [one for one in found if one and one.name.lower().startswith(text.lower())]

    def _found(self, fields: Mapping[str, Any]) -> FoundPrincipal | None:
        key, login, kind = fields.get("id"), fields.get("login"), fields.get("type")
        if not isinstance(key, int) or not isinstance(login, str):
            return None
        if kind == "Organization":
            return FoundPrincipal(f"{self._schemes.org}://{key}", login, "group")
        return FoundPrincipal(f"{self._schemes.user}://{key}", login, "user")

    async def _teams(self, text: str, token: str) -> list[FoundPrincipal]:
        found = []
        for org in self._settings.allowed_orgs:
            async for one in self._api.pages(f"/orgs/{quote(org, safe='')}/teams", token):
                slug, key = one.get("slug"), one.get("id")
                if isinstance(slug, str) and slug.startswith(text.lower()):
                    name, shown = f"{org}/{slug}", str(one.get("name") or slug)
                    team = f"{self._schemes.team}://{key}"
                    found.append(FoundPrincipal(team, name, "group", shown))
        return found
