"""Tests of the fake GitHub against GitHub's OpenAPI description."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from openapi_schema_validator import OAS30Validator
from referencing import Registry
from referencing.jsonschema import DRAFT4

from tests.support.fake_github import CLIENT, SECRET, FakeGithub
from tests.support.npm import installed_packages

FOLDER = Path(__file__).parents[2] / "support" / "octokit_openapi"
DESCRIPTION = "node_modules/@octokit/openapi/generated/api.github.com.json"
NAME = "urn:github"

Check = Callable[[str, str, int, Any], None]


@pytest.fixture(scope="module")
def check_response() -> Check:
    """Return a check of a response against the description of its operation and status."""
    description = json.loads((installed_packages(FOLDER) / DESCRIPTION).read_text())
    registry = Registry().with_resource(NAME, DRAFT4.create_resource(description))

    def check(method: str, path: str, status: int, body: Any) -> None:
        responses = description["paths"][path][method]["responses"]
        where = f"/paths/{path.replace('/', '~1')}/{method}/responses/{status}"
        if "$ref" in responses[str(status)]:
            where = responses[str(status)]["$ref"].removeprefix("#")
        schema = {"$ref": f"{NAME}#{where}/content/application~1json/schema"}
        validator = OAS30Validator(schema, registry=registry)
        problems = [f"{list(one.path)}: {one.message}"[:300] for one in validator.iter_errors(body)]
        assert not problems

    return check


async def test_fake_github_responses_match_openapi_description(
    github: FakeGithub, check_response: Check
) -> None:
    top = github.create_team("acme", "engineering")
    team = github.create_team("acme", "platform", parent=top)
    github.create_user(
        "alice",
        name="Alice",
        orgs={"acme": "active", "other": "pending"},
        teams=[team.id, top.id],
        emails=[("a@acme.example", True, True), ("b@acme.example", False, False)],
    )
    github._issue("alice")
    (token,) = github.tokens
    basic = {"Authorization": aiohttp.encode_basic_auth(CLIENT, SECRET)}
    api = f"{github.root}/api/v3"
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession() as session:
        for path, operation in (
            ("/user", "/user"),
            ("/user/emails", "/user/emails"),
            ("/user/memberships/orgs", "/user/memberships/orgs"),
            ("/user/teams", "/user/teams"),
            ("/orgs/acme/teams", "/orgs/{org}/teams"),
            ("/orgs/acme/teams/platform", "/orgs/{org}/teams/{team_slug}"),
            ("/orgs/acme/teams/unknown", "/orgs/{org}/teams/{team_slug}"),
            ("/search/users?q=a+in:login&per_page=10", "/search/users"),
        ):
            async with session.get(api + path, headers=headers) as response:
                check_response("get", operation, response.status, await response.json())
        async with session.get(api + "/user") as response:
            assert response.status == 401
            check_response("get", "/user", 401, await response.json())
        for access_token in (token, "unknown"):
            url = f"{api}/applications/{CLIENT}/token"
            async with session.post(
                url, json={"access_token": access_token}, headers=basic
            ) as response:
                check_response(
                    "post",
                    "/applications/{client_id}/token",
                    response.status,
                    await response.json(),
                )
