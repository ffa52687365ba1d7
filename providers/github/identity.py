"""Who somebody is at GitHub, and in which organisations and teams."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from providers.base import ExternalGroup, ExternalIdentity, ProviderUnavailable, Refused
from providers.github_api import Denied, GithubApi, Suspended
from providers.github_settings import GithubSettings

MAX_ANCESTORS = 200
"""Teams that are asked for because they are somebody's team's parents."""


@dataclass(frozen=True, slots=True)
class Schemes:
    """The schemes of people, organisations and teams."""

    user: str
    org: str
    team: str

    @classmethod
    def of(cls, name: str, settings: GithubSettings) -> "Schemes":
        """github.com's are the same for everybody; another GitHub counts anew from 1."""
        middle = "" if settings.is_public else f"{name}_"
        return cls(*(f"github_{middle}{kind}" for kind in ("user", "org", "team")))


@dataclass(frozen=True, slots=True)
class _Team:
    id: int
    org: str
    slug: str
    name: str
    parent: str | None

    @classmethod
    def read(cls, said: Mapping[str, Any], org: str | None = None) -> "_Team":
        parent = said.get("parent")
        owner = org if org is not None else _text(_object(said, "organization"), "login")
        return cls(
            _id(said),
            owner,
            _text(said, "slug"),
            _text(said, "name"),
            _text(parent, "slug") if isinstance(parent, dict) else None,
        )


class GithubPeople:
    """Asks one GitHub about the owner of a token."""

    def __init__(self, name: str, settings: GithubSettings, api: GithubApi) -> None:
        self._settings = settings
        self._api = api
        self._schemes = Schemes.of(name, settings)

    async def owner(self, token: str, secret: str) -> ExternalIdentity | Refused:
        """Who ``token`` is of. Raises NotGood and ProviderUnavailable."""
        try:
            user = _checked(await self._api.get("/user", token))
        except Suspended:
            return Refused("account_suspended")
        except Denied:
            raise ProviderUnavailable("GitHub doesn't say whose token it is") from None
        if user.get("suspended_at"):
            return Refused("account_suspended")
        user_id, login = _id(user), _text(user, "login")
        try:
            orgs = await self._orgs(token)
            teams = await self._teams(token)
        except Denied:
            # Without them nobody knows who is allowed: no fewer groups than there are.
            raise ProviderUnavailable("GitHub doesn't say which organisations and teams") from None
        if not self._allowed(user_id, login, orgs, teams):
            return Refused("not_allowed", "in none of the allowed organisations and teams")
        return ExternalIdentity(
            principal_id=f"{self._schemes.user}://{user_id}",
            username=login,
            display_name=str(user.get("name") or login),
            groups=tuple(self._groups(orgs, teams)),
            email=await self._email(token),
            secret=secret,
        )

    async def _orgs(self, token: str) -> dict[int, str]:
        """Active memberships only: an invitation isn't one."""
        orgs = {}
        async for one in self._api.pages("/user/memberships/orgs?state=active", token):
            if one.get("state") == "active":
                org = _object(one, "organization")
                orgs[_id(org)] = _text(org, "login")
        return orgs

    async def _teams(self, token: str) -> dict[int, _Team]:
        """Somebody's teams, and those above: who is in a team is in its parent as well."""
        teams = {}
        async for one in self._api.pages("/user/teams", token):
            team = _Team.read(one)
            teams[team.id] = team
        known = {(team.org.lower(), team.slug): team for team in teams.values()}
        waiting = list(teams.values())
        asked = 0
        while waiting:
            team = waiting.pop()
            if team.parent is None or (team.org.lower(), team.parent) in known:
                continue
            asked += 1
            if asked > MAX_ANCESTORS:
                raise ProviderUnavailable("too many teams above somebody's own")
            path = f"/orgs/{quote(team.org, safe='')}/teams/{quote(team.parent, safe='')}"
            above = _Team.read(_checked(await self._api.get(path, token)), team.org)
            known[(above.org.lower(), team.parent)] = known[(above.org.lower(), above.slug)] = above
            teams[above.id] = above
            waiting.append(above)
        return teams

    def _allowed(
        self, user_id: int, login: str, orgs: Mapping[int, str], teams: Mapping[int, _Team]
    ) -> bool:
        settings = self._settings
        if not (settings.allowed_users or settings.allowed_orgs or settings.allowed_teams):
            return True
        mine = {name.lower() for name in (login, str(user_id))}
        in_orgs = {name.lower() for name in (*orgs.values(), *map(str, orgs))}
        in_teams = {f"{team.org}/{team.slug}".lower() for team in teams.values()}
        return not (
            mine.isdisjoint(name.lower() for name in settings.allowed_users)
            and in_orgs.isdisjoint(name.lower() for name in settings.allowed_orgs)
            and in_teams.isdisjoint(name.lower() for name in settings.allowed_teams)
        )

    def _groups(self, orgs: Mapping[int, str], teams: Mapping[int, _Team]) -> list[ExternalGroup]:
        return [
            *(ExternalGroup(f"{self._schemes.org}://{key}", login) for key, login in orgs.items()),
            *(
                ExternalGroup(f"{self._schemes.team}://{key}", f"{team.org}/{team.slug}")
                for key, team in teams.items()
            ),
        ]

    async def _email(self, token: str) -> str:
        """The primary address, if it is verified; apps needn't be allowed to see it."""
        try:
            async for one in self._api.pages("/user/emails", token):
                if one.get("primary") is True and one.get("verified") is True:
                    return _text(one, "email")
        except Denied:
            pass
        return ""


def _checked(said: Any) -> dict[str, Any]:
    if not isinstance(said, dict):
        raise ProviderUnavailable("GitHub answered with what isn't an object")
    return said


def _object(said: Mapping[str, Any], name: str) -> dict[str, Any]:
    return _checked(said.get(name))


def _id(said: Mapping[str, Any]) -> int:
    value = said.get("id")
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ProviderUnavailable("GitHub answered without an id")
    return value


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    if not isinstance(value, str) or not value:
        raise ProviderUnavailable(f"GitHub answered without {name}")
    return value
