"""Changes that do not overwrite concurrent changes: ETag and If-Match (RFC 9110 §13)."""

import json
from collections.abc import Mapping
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel

from management.http.body import read_json, validated
from management.http.merge_patch import merge
from management.http.problem import ApiProblem

_Model = TypeVar("_Model", bound=BaseModel)

PATCHES = frozenset({"application/merge-patch+json", "application/json"})


Revision = int | str
"""A record's revision, or the revisions of several records joined."""


def etag(revision: Revision) -> str:
    """Return the entity tag of a revision."""
    return f'"{revision}"'


def json_with_etag(
    body: Mapping[str, object], revision: Revision, status: int = 200
) -> web.Response:
    """Return a JSON response with its entity tag."""
    return web.json_response(dict(body), status=status, headers={"ETag": etag(revision)})


def check_match(request: web.Request, revision: Revision) -> None:
    """Raise ApiProblem with 412 if ``If-Match`` names another revision."""
    expected = request.headers.get("If-Match")
    if expected is None or expected.strip() == "*":
        return
    if etag(revision) not in {one.strip() for one in expected.split(",")}:
        raise ApiProblem(412, "the resource has changed since you read it: read it again and retry")


def conflict(request: web.Request) -> ApiProblem:
    """Return the problem for a change that lost a race with another one."""
    return ApiProblem(
        412 if "If-Match" in request.headers else 409,
        "the resource was changed at the same time: read it again and retry",
    )


async def read_patch(request: web.Request, current: _Model) -> _Model:
    """Return ``current`` with the request's JSON merge patch (RFC 7396) applied.

    Null resets a field to its default.

    Raises:
        ApiProblem: the patch or its result is not valid.
    """
    patch = await read_json(request, PATCHES)
    if not isinstance(patch, dict):
        raise ApiProblem(422, "the merge patch must be a JSON object")
    merged = merge(current.model_dump(mode="json"), patch)
    return validated(type(current), json.dumps(merged))
