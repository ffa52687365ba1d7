"""Errors of the API as problem JSON, RFC 9457; one class for each status code."""

import json
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, TypeVar

import structlog
from aiohttp import web
from pydantic import BaseModel, ValidationError

from management.telling import note
from management.tokens import TtlTooLong
from providers.base import ProviderUnavailable, Throttled
from store.interfaces import (
    Conflict,
    InUse,
    LastAdministrator,
    NotFound,
    StaleRevision,
    StoreUnavailable,
)

REQUEST_ID = web.RequestKey("request_id", str)
MAX_BODY_BYTES = 64 * 1024

_LOG = structlog.get_logger("sekisho.api")
_Model = TypeVar("_Model", bound=BaseModel)


class Problem(Exception):
    """An answer other than success. ``detail`` is for the caller: a sentence, no internals."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        errors: list[dict[str, str]] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.errors = errors

    def response(self, request_id: str) -> web.Response:
        """The problem as an HTTP answer."""
        title = _TITLES.get(self.status, "Error")
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": title,
            "status": self.status,
            "detail": self.detail,
            "request_id": request_id,
        }
        if self.errors:
            body["errors"] = self.errors
        return web.Response(
            status=self.status,
            body=json.dumps(body).encode(),
            headers={"Content-Type": "application/problem+json", **self.headers},
        )


_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    412: "Precondition Failed",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
}

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="sekisho"'}


async def read_body(request: web.Request, model: type[_Model]) -> _Model:
    """The request's JSON body as ``model``. Raises Problem, naming every field that is wrong."""
    return validated(model, await _read(request, frozenset({"application/json"})))


async def read_json(request: web.Request, types: Collection[str]) -> object:
    """The request's JSON body, whatever it is. Raises Problem."""
    try:
        return json.loads(await _read(request, types))
    except (ValueError, RecursionError):
        raise Problem(400, "the body is not valid JSON") from None


async def _read(request: web.Request, types: Collection[str]) -> bytes:
    if request.content_type not in types:
        raise Problem(415, f"the body must be {' or '.join(sorted(types))}")
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise Problem(413, f"the body may have {MAX_BODY_BYTES} bytes at the most") from None


def validated(model: type[_Model], raw: bytes | str) -> _Model:
    """JSON as ``model``. Raises Problem, naming every field that is wrong."""
    try:
        return model.model_validate_json(raw)
    except ValidationError as exc:
        if exc.errors()[0]["type"] == "json_invalid":
            raise Problem(400, "the body is not valid JSON") from None
        errors = [
            {
                "field": ".".join(map(str, one["loc"])),
                "message": one["msg"].removeprefix("Value error, "),
            }
            for one in exc.errors(include_url=False, include_input=False)
        ]
        fields = ", ".join(f"{one['field'] or 'body'}: {one['message']}" for one in errors)
        raise Problem(422, f"the body is not as it should be: {fields}", errors=errors) from None


@web.middleware
async def problems(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Turn whatever goes wrong into problem JSON."""
    try:
        return await handler(request)
    except Problem as problem:
        note(request, reason=problem.detail)
        return problem.response(request[REQUEST_ID])
    except web.HTTPException as exc:
        if exc.status < 400:
            raise
        headers = {"Allow": exc.headers["Allow"]} if "Allow" in exc.headers else {}
        detail = _DETAILS.get(exc.status, exc.reason)
        return Problem(exc.status, detail, headers=headers).response(request[REQUEST_ID])
    except Exception as exc:
        known = _known(exc)
        if known is None:
            _LOG.exception("request failed", request_id=request[REQUEST_ID], path=request.path)
            known = Problem(500, "something went wrong; the log has more, under the request id")
        return known.response(request[REQUEST_ID])


_DETAILS = {404: "there is nothing at this path", 405: "the method is not allowed at this path"}


def _known(exc: Exception) -> Problem | None:
    """The errors of the layers below, as answers."""
    if isinstance(exc, StoreUnavailable):
        _LOG.error("store unavailable", error=str(exc))
        return Problem(503, "the store is unavailable; try again", headers={"Retry-After": "2"})
    if isinstance(exc, ProviderUnavailable):
        _LOG.warning("provider unavailable", error=str(exc))
        wait = str(exc.retry_after or 5)
        return Problem(503, "the provider is unavailable; try again", headers={"Retry-After": wait})
    if isinstance(exc, Throttled):
        return Problem(429, str(exc), headers={"Retry-After": str(exc.retry_after)})
    if isinstance(exc, TtlTooLong):
        return Problem(422, str(exc))
    if isinstance(exc, Conflict | InUse | LastAdministrator | StaleRevision):
        return Problem(409, str(exc))
    if isinstance(exc, NotFound):
        return Problem(404, str(exc))
    return None
