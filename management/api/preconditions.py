"""Changes that don't overwrite somebody else's: ETag and If-Match (RFC 9110 §13), merge patches."""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel

from management.problems import Problem, read_json, validated

_Model = TypeVar("_Model", bound=BaseModel)

_PATCHES = frozenset({"application/merge-patch+json", "application/json"})


def etag(revision: int) -> str:
    """The entity tag of a revision."""
    return f'"{revision}"'


def shown(body: Mapping[str, object], revision: int, status: int = 200) -> web.Response:
    """An answer with its entity tag."""
    return web.json_response(dict(body), status=status, headers={"ETag": etag(revision)})


def check_match(request: web.Request, revision: int) -> None:
    """Raise Problem with 412 where ``If-Match`` names another revision than the one there is."""
    wanted = request.headers.get("If-Match")
    if wanted is None or wanted.strip() == "*":
        return
    if etag(revision) not in {one.strip() for one in wanted.split(",")}:
        raise Problem(412, "it was changed since you read it: read it again, and try again")


def lost_race(request: web.Request) -> Problem:
    """What was read has been changed before it could be written."""
    return Problem(
        412 if "If-Match" in request.headers else 409,
        "it was changed by somebody else at the same time: read it again, and try again",
    )


async def read_patch(request: web.Request, current: _Model) -> _Model:
    """``current`` with the request's JSON merge patch (RFC 7396) in it. Raises Problem.

    Null puts a field back to what it is by default.
    """
    patch = await read_json(request, _PATCHES)
    if not isinstance(patch, dict):
        raise Problem(422, "a merge patch of this is a JSON object")
    merged = merge(current.model_dump(mode="json"), patch)
    return validated(type(current), json.dumps(merged))


def merge(old: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON merge patch, RFC 7396 §2."""
    merged = dict(old)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping):
            before = merged.get(name)
            merged[name] = merge(before if isinstance(before, Mapping) else {}, value)
        else:
            merged[name] = value
    return merged
