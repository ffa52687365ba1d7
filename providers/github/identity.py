"""Read the identity of a GitHub user, with organizations and teams."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from config.loggers import get_logger
from providers.base import ExternalGroup, ExternalIdentity, ProviderUnavailable, Rejected
from providers.github.api import AccessDenied, GithubApi, Suspended
from providers.github.settings import GithubSettings, is_id

MAX_ANCESTORS = 200
"""The most parent teams that are requested for one user."""


_LOG = get_logger(__name__)


class SignOnMissing(Exception):
    """An organization hides memberships until the user has passed its single sign-on."""


@dataclass(frozen=True, slots=True)
class Schemes:
    """The schemes of users, organizations and teams."""

    user: str
    org: str
    team: str

    @classmethod
    def of(cls, name: str, settings: GithubSettings) -> "Schemes":
        """Return the schemes. Ids of other GitHub servers begin at 1, so they have their own."""
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
    def read(cls, fields: Mapping[str, Any], org: str | None = None) -> "_Team":
        parent = fields.get("parent")
        owner = org if org is not None else _text(_object(fields, "organization"), "login")
        return cls(
            _id(fields),
            owner,
            _text(fields, "slug"),
            _text(fields, "name"),
            _text(parent, "slug") if isinstance(parent, dict) else None,
        )


class GithubIdentityReader:
    """Reads the identities of token owners from one GitHub."""

    def __init__(self, name: str, settings: GithubSettings, api: GithubApi) -> None:
        self._settings = settings
        self._api = api
        self._schemes = Schemes.of(name, settings)

    async def owner(self, token: str, secret: str) -> ExternalIdentity | Rejected:
        """Return the identity of the token's owner.

        Raises:
            InvalidToken: the token is not accepted.
            SignOnMissing: an organization hides memberships that decide.
            ProviderUnavailable: GitHub did not decide.
        """
        try:
            return await self._owner(token, secret)
        except Suspended:
            # Any of the requests may get this response.
            return Rejected("account_suspended")

    async def _owner(self, token: str, secret: str) -> ExternalIdentity | Rejected:
        try:
            user = _checked(await self._api.get("/user", token))
        except AccessDenied as exc:
            raise ProviderUnavailable(f"GitHub hides the owner of the token: {exc}") from None
        if user.get("suspended_at"):
            return Rejected("account_suspended")
        user_id, login = _id(user), _text(user, "login")
        hidden: set[str] = set()
        try:
            orgs = await self._orgs(token, hidden)
            teams = await self._teams(token, hidden)
        except AccessDenied as exc:
            if exc.single_sign_on:
                raise SignOnMissing(str(exc)) from None
            # Organizations and teams decide who is allowed, so no identity with fewer groups.
            raise ProviderUnavailable(
                f"GitHub hides the user's organizations and teams: {exc}"
            ) from None
        if not self._allowed(user_id, login, orgs, teams):
            if hidden:
                # The user may be in an allowed organization that GitHub hides.
                raise SignOnMissing(f"GitHub hides organizations: {', '.join(sorted(hidden))}")
            return Rejected("not_allowed", "in none of the allowed organizations and teams")
        return ExternalIdentity(
            principal_id=f"{self._schemes.user}://{user_id}",
            username=login,
            display_name=str(user.get("name") or login),
            groups=tuple(self._groups(orgs, teams)),
            email=await self._email(token),
            secret=secret,
        )

    async def _orgs(self, token: str, hidden: set[str]) -> dict[int, str]:
        """Return active memberships, without invitations."""
        orgs = {}
        path = "/user/memberships/orgs?state=active"
        async for one in self._api.pages(path, token, hidden):
            if one.get("state") == "active":
                org = _object(one, "organization")
                orgs[_id(org)] = _text(org, "login")
        return orgs

    async def _teams(self, token: str, hidden: set[str]) -> dict[int, _Team]:
        """Return the user's teams and their parents: members of a team are in its parent, too."""
        teams = {}
        async for one in self._api.pages("/user/teams", token, hidden):
            team = _Team.read(one)
            teams[team.id] = team
        known = {(team.org.lower(), team.slug): team for team in teams.values()}
        waiting = list(teams.values())
        requests = 0
        while waiting:
            team = waiting.pop()
            if team.parent is None or (team.org.lower(), team.parent) in known:
                continue
            requests += 1
            if requests > MAX_ANCESTORS:
                raise ProviderUnavailable("the user's teams have too many parent teams")
            above = await self._parent(team, token)
            if above is None:
                continue
            known[(above.org.lower(), team.parent)] = known[(above.org.lower(), above.slug)] = above
            teams[above.id] = above
            waiting.append(above)
        return teams

    async def _parent(self, team: _Team, token: str) -> _Team | None:
        """Return the parent of ``team``; None if an organization outside the settings hides it.

        Raises:
            AccessDenied: an organization of the settings hides it. It may decide who is allowed.
        """
        path = f"/orgs/{quote(team.org, safe='')}/teams/{quote(team.parent or '', safe='')}"
        try:
            return _Team.read(_checked(await self._api.get(path, token)), team.org)
        except AccessDenied as exc:
            if self._is_named(team.org):
                raise
            _LOG.warning(
                "teams of an organization omitted: GitHub hides them",
                organization=team.org,
                reason=str(exc),
            )
            return None

    def _is_named(self, org: str) -> bool:
        """Return whether the settings name that organization."""
        of_teams = (name.partition("/")[0] for name in self._settings.allowed_teams)
        named = {name.lower() for name in (*self._settings.allowed_orgs, *of_teams)}
        return org.lower() in named

    def _allowed(
        self, user_id: int, login: str, orgs: Mapping[int, str], teams: Mapping[int, _Team]
    ) -> bool:
        settings = self._settings
        if not (settings.allowed_users or settings.allowed_orgs or settings.allowed_teams):
            return True
        org_ids = {name.lower(): key for key, name in orgs.items()}
        return (
            any(_is_named(one, user_id, login) for one in settings.allowed_users)
            or any(
                _is_named(one, key, name)
                for one in settings.allowed_orgs
                for key, name in orgs.items()
            )
            or any(
                _is_team(one, team, org_ids.get(team.org.lower()))
                for one in settings.allowed_teams
                for team in teams.values()
            )
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
        """Return the primary address if it is verified. The app may lack access to addresses."""
        try:
            async for one in self._api.pages("/user/emails", token):
                if one.get("primary") is True and one.get("verified") is True:
                    return _text(one, "email")
        except AccessDenied:
            pass
        return ""


def _is_named(configured: str, key: int, name: str) -> bool:
    """Return whether a configured value means this user or organization.

    A number always means an id: a login may consist of digits, and anyone may register one.
    """
    if is_id(configured):
        return configured == str(key)
    return _same(configured, name)


def _is_team(configured: str, team: _Team, org_id: int | None) -> bool:
    """Return whether a configured team means this one: its id, or ``organization/slug``.

    The organization may be given by its id, which is never reused.
    """
    if is_id(configured):
        return configured == str(team.id)
    org, _, slug = configured.partition("/")
    in_org = org_id is not None and org == str(org_id) if is_id(org) else _same(org, team.org)
    return in_org and _same(slug, team.slug)


def _same(one: str, other: str) -> bool:
    return one.lower() == other.lower()


def _checked(fields: Any) -> dict[str, Any]:
    if not isinstance(fields, dict):
        raise ProviderUnavailable("GitHub's response is not an object")
    return fields


def _object(fields: Mapping[str, Any], name: str) -> dict[str, Any]:
    return _checked(fields.get(name))


def _id(fields: Mapping[str, Any]) -> int:
    value = fields.get("id")
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ProviderUnavailable("GitHub's response has no id")
    return value


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise ProviderUnavailable(f"GitHub's response has no {name}")
    return value
