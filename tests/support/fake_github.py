"""A fake GitHub for tests, because github.com is not available to them.

It follows GitHub's documentation: REST ("Users", "Organization members", "Teams", "Search", "OAuth
authorizations"), "Authorizing OAuth apps" with PKCE and the device flow, "Refreshing user access
tokens", and the headers of rate limits and pagination. A test in ``tests/providers/github`` checks
its responses against GitHub's OpenAPI description. It has more than 300 lines because all parts
share state.
"""

import base64
import hashlib
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from aiohttp import web

CLIENT, SECRET = "Iv1.0123456789abcdef", "an app's secret"
SINCE = "2020-01-01T00:00:00Z"
_USER_URLS = (
    *("events_url", "followers_url", "following_url", "gists_url", "html_url"),
    *("organizations_url", "received_events_url", "repos_url", "starred_url", "subscriptions_url"),
    *("url", "avatar_url"),
)
_ORG_URLS = (
    *("url", "repos_url", "events_url", "hooks_url", "issues_url", "members_url"),
    *("public_members_url", "avatar_url", "html_url"),
)


@dataclass
class User:
    """A user account."""

    id: int
    login: str
    name: str | None = None
    suspended: bool = False
    emails: list[tuple[str, bool, bool]] = field(default_factory=list)
    """Address, primary, verified."""
    orgs: dict[str, str] = field(default_factory=dict)
    """Organisation to membership state: active or pending."""
    teams: list[int] = field(default_factory=list)


@dataclass
class Team:
    """A team of an organisation, optionally with a parent team."""

    id: int
    org: str
    slug: str
    parent: int | None = None


@dataclass
class Token:
    """A user access token."""

    login: str
    scopes: str
    refresh: str = ""
    ends: float = float("inf")


class FakeGithub:
    """The fake server with its state, which tests may change."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.users: dict[str, User] = {}
        self.orgs: dict[str, int] = {}
        self.teams: dict[int, Team] = {}
        self.tokens: dict[str, Token] = {}
        self.codes: dict[str, tuple[str, str, str]] = {}
        self.devices: dict[str, str | None] = {}
        self.polls: list[str] = []
        """The device codes that clients polled, in order."""
        self.expiring = False
        """Whether the client is a GitHub App, whose tokens expire after 8 hours."""
        self.granted_scopes = "read:org,user:email"
        self.page_size = 100
        self.fault: web.Response | None = None
        self.fault_on = ""
        self.received: list[str] = []
        self.revoked: list[str] = []

    def create_user(self, login: str, **values: Any) -> User:
        """Create a user."""
        user = User(1000 + len(self.users), login, **values)
        self.users[login] = user
        for org in user.orgs:
            self.orgs.setdefault(org, 5000 + len(self.orgs))
        return user

    def create_team(self, org: str, slug: str, parent: Team | None = None) -> Team:
        """Create a team."""
        self.orgs.setdefault(org, 5000 + len(self.orgs))
        made = Team(9000 + len(self.teams), org, slug, parent.id if parent else None)
        self.teams[made.id] = made
        return made

    def approve(self, url_query: str, login: str) -> str:
        """Approve an authorization; return the query of the redirect to the client."""
        query = dict(parse_qsl(url_query))
        assert query["client_id"] == CLIENT
        assert query["code_challenge_method"] == "S256"
        code = secrets.token_hex(10)
        self.codes[code] = (login, query["code_challenge"], query["redirect_uri"])
        return urlencode({"code": code, "state": query["state"]})

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Handle any request."""
        path = request.path
        self.received.append(f"{request.method} {path}")
        if self.fault is not None and path.endswith(self.fault_on):
            text = self.fault.text
            return web.Response(status=self.fault.status, text=text, headers=self.fault.headers)
        if path == "/login/oauth/access_token":
            return await self._access_token(request)
        if path == "/login/device/code":
            return await self._device(request)
        path = path.removeprefix("/api/v3")
        if path == "/rate_limit":
            return web.json_response({"resources": {}})
        if path.startswith("/applications/"):
            return await self._application(request, path)
        return self._rest(request, path)

    async def _access_token(self, request: web.Request) -> web.Response:
        form = dict(parse_qsl(await request.text()))
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT, SECRET):
            return _error("incorrect_client_credentials")
        if form.get("grant_type") == "refresh_token":
            old = form.get("refresh_token")
            token = next((t for t in self.tokens.values() if old and t.refresh == old), None)
            if token is None:
                return _error("bad_refresh_token")
            token.refresh = ""
            return self._issue(token.login)
        if "device_code" in form:
            return self._device_token(form["device_code"])
        login, challenge, redirect_uri = self.codes.pop(form.get("code", ""), ("", "", ""))
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        made = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if not login or made != challenge:
            return _error("bad_verification_code")
        if form.get("redirect_uri") != redirect_uri:
            return _error("redirect_uri_mismatch")
        return self._issue(login)

    def _issue(self, login: str) -> web.Response:
        name = "ghu_" + secrets.token_hex(18)
        scopes = "" if self.expiring else self.granted_scopes
        self.tokens[name] = Token(login, scopes)
        fields: dict[str, Any] = {"access_token": name, "scope": scopes, "token_type": "bearer"}
        if self.expiring:
            self.tokens[name].refresh = "ghr_" + secrets.token_hex(18)
            self.tokens[name].ends = time.time() + 28800
            fields |= {
                "expires_in": 28800,
                "refresh_token": self.tokens[name].refresh,
                "refresh_token_expires_in": 15897600,
            }
        return web.json_response(fields)

    async def _device(self, request: web.Request) -> web.Response:
        code = secrets.token_hex(20)
        self.devices[code] = None
        return web.json_response(
            {
                "device_code": code,
                "user_code": "WDJB-MJHT",
                "verification_uri": f"{self.root}/login/device",
                "expires_in": 900,
                "interval": 5,
            }
        )

    def _device_token(self, code: str) -> web.Response:
        self.polls.append(code)
        state = self.devices.get(code, "incorrect_device_code")
        if state is None:
            return _error("authorization_pending")
        if state in self.users:
            return self._issue(state)
        more = {"interval": 10} if state == "slow_down" else {}
        return _error(state, **more)

    async def _application(self, request: web.Request, path: str) -> web.Response:
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {basic}":
            return _message(404, "Not Found")
        token = (await request.json())["access_token"]
        known = self.tokens.get(token)
        if path.endswith("/grant"):
            if known is None:
                return _message(404, "Not Found")
            self.revoked.append(token)
            self.tokens = {n: t for n, t in self.tokens.items() if t.login != known.login}
            return web.Response(status=204)
        if known is None:
            return _message(404, "Not Found")
        return web.json_response(self._authorization(token, known))

    def _rest(self, request: web.Request, path: str) -> web.Response:
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        token = self.tokens.get(bearer)
        if token is None or token.ends < time.time():
            return _message(401, "Bad credentials")
        me = self.users[token.login]
        if me.suspended:
            return _message(403, "Sorry. Your account was suspended.")
        if path == "/user":
            return web.json_response(self.private_user(me))
        if path == "/user/emails":
            if not self.expiring and "user:email" not in token.scopes:
                return _message(404, "Not Found")
            return self._page(request, [_email(*one) for one in me.emails])
        if path == "/user/memberships/orgs":
            state = request.query.get("state")
            return self._page(
                request,
                [
                    self._membership(me, org, fields)
                    for org, fields in me.orgs.items()
                    if state in {None, fields}
                ],
            )
        if path == "/user/teams":
            return self._page(request, [self.team_full(self.teams[one]) for one in me.teams])
        if path == "/search/users":
            return self._search(request)
        return self._org(request, path)

    def _org(self, request: web.Request, path: str) -> web.Response:
        parts = path.strip("/").split("/")
        if len(parts) < 3 or parts[0] != "orgs" or parts[2] != "teams":
            return _message(404, "Not Found")
        teams = [one for one in self.teams.values() if one.org.lower() == parts[1].lower()]
        if len(parts) == 3:
            return self._page(
                request, [self.team_simple(one) | {"parent": self._parent(one)} for one in teams]
            )
        found = next((one for one in teams if one.slug == parts[3]), None)
        return web.json_response(self.team_full(found)) if found else _message(404, "Not Found")

    def _search(self, request: web.Request) -> web.Response:
        text = request.query["q"].removesuffix(" in:login").lower()
        found = [self.user(one) for one in self.users.values() if text in one.login.lower()]
        found += [
            self.user(User(key, org)) | {"type": "Organization"}
            for org, key in self.orgs.items()
            if text in org.lower()
        ]
        items = [one | {"score": 1.0} for one in found][: int(request.query["per_page"])]
        return web.json_response(
            {"total_count": len(found), "incomplete_results": False, "items": items}
        )

    def _page(self, request: web.Request, items: list[dict[str, Any]]) -> web.Response:
        size = min(int(request.query.get("per_page", 30)), self.page_size)
        page = int(request.query.get("page", 1))
        headers = {"X-RateLimit-Remaining": "4999"}
        if page * size < len(items):
            query = urlencode(dict(request.query) | {"page": str(page + 1)})
            following = f"{self.root}{request.path}?{query}"
            headers["Link"] = f'<{following}>; rel="next", <{following}>; rel="last"'
        return web.json_response(items[(page - 1) * size : page * size], headers=headers)

    def user(self, user: User) -> dict[str, Any]:
        """Return a user in the simple form."""
        return {
            **{name: f"{self.root}/{name}/{user.login}" for name in _USER_URLS},
            "login": user.login,
            "id": user.id,
            "node_id": f"U_{user.id}",
            "gravatar_id": "",
            "type": "User",
            "site_admin": False,
        }

    def private_user(self, user: User) -> dict[str, Any]:
        """Return a user in the form for ``/user``."""
        counts = (
            *("public_gists", "public_repos", "followers", "following", "collaborators"),
            *("disk_usage", "owned_private_repos", "private_gists", "total_private_repos"),
        )
        return {
            **self.user(user),
            **dict.fromkeys(("bio", "company", "hireable", "location", "email")),
            **dict.fromkeys(counts, 0),
            "name": user.name,
            "blog": "",
            "created_at": SINCE,
            "updated_at": SINCE,
            "two_factor_authentication": True,
            "user_view_type": "private",
        }

    def organization(self, login: str) -> dict[str, Any]:
        """Return an organisation in the simple form."""
        key = self.orgs[login]
        return {
            **{name: f"{self.root}/{name}/{login}" for name in _ORG_URLS},
            "login": login,
            "id": key,
            "node_id": f"O_{key}",
            "description": None,
        }

    def team_simple(self, team: Team) -> dict[str, Any]:
        """Return a team without parent and organisation."""
        url = f"{self.root}/organizations/{self.orgs[team.org]}/team/{team.id}"
        return {
            "id": team.id,
            "node_id": f"T_{team.id}",
            "name": team.slug.title(),
            "slug": team.slug,
            "description": None,
            "permission": "pull",
            "privacy": "closed",
            "url": url,
            "html_url": url,
            "repositories_url": f"{url}/r",
            "members_url": f"{url}/members{{/member}}",
            "type": "organization",
            "organization_id": self.orgs[team.org],
        }

    def team_full(self, team: Team) -> dict[str, Any]:
        """Return a team with its organisation and parent, without the parent's parent."""
        org = self.organization(team.org) | {
            **dict.fromkeys(("public_repos", "public_gists", "followers", "following"), 0),
            "has_organization_projects": True,
            "has_repository_projects": True,
            "type": "Organization",
            "created_at": SINCE,
            "updated_at": SINCE,
            "archived_at": None,
        }
        return {
            **self.team_simple(team),
            "parent": self._parent(team),
            "organization": org,
            "created_at": SINCE,
            "updated_at": SINCE,
            "members_count": 1,
            "repos_count": 0,
        }

    def _parent(self, team: Team) -> dict[str, Any] | None:
        return self.team_simple(self.teams[team.parent]) if team.parent is not None else None

    def _membership(self, user: User, org: str, state: str) -> dict[str, Any]:
        url = f"{self.root}/orgs/{org}"
        return {
            "url": f"{url}/memberships/{user.login}",
            "state": state,
            "role": "member",
            "organization_url": url,
            "organization": self.organization(org),
            "user": self.user(user),
        }

    def _authorization(self, name: str, token: Token) -> dict[str, Any]:
        url = f"{self.root}/authorizations/1"
        return {
            "id": 1,
            "url": url,
            "scopes": list(filter(None, token.scopes.split(","))),
            "token": name,
            "token_last_eight": name[-8:],
            "note": None,
            "note_url": None,
            "hashed_token": hashlib.sha256(name.encode()).hexdigest(),
            "fingerprint": None,
            "created_at": SINCE,
            "updated_at": SINCE,
            "expires_at": None,
            "app": {"name": "sekisho", "url": self.root, "client_id": CLIENT},
            "user": self.user(self.users[token.login]),
        }


def _email(address: str, primary: bool, verified: bool) -> dict[str, Any]:
    visibility = "private" if primary else None
    return {"email": address, "primary": primary, "verified": verified, "visibility": visibility}


def _error(error: str, **more: Any) -> web.Response:
    return web.json_response({"error": error, "error_description": "", "error_uri": ""} | more)


def _message(status: int, text: str) -> web.Response:
    fields = {"message": text, "documentation_url": "https://docs.github.com/rest"}
    return web.json_response(fields, status=status)


@asynccontextmanager
async def fake_github(port: int) -> AsyncIterator[FakeGithub]:
    """Run a fake GitHub Enterprise Server, with the API below ``/api/v3``."""
    github = FakeGithub(f"http://127.0.0.1:{port}")
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", github.respond)
    runner = web.AppRunner(app, shutdown_timeout=1)
    try:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield github
    finally:
        await runner.cleanup()
