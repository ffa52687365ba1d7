"""Read the body of a request to the API: bounded in size and in time, and never a 500.

A client that aborts a body, sends a malformed one or sends it too slowly gets a response that says
so, if it is still connected. The deadline is set where connections are
(:mod:`proxy.client.body_deadlines`): it ends every way of reading a body, so that no endpoint can
omit it.
"""

from collections.abc import Collection
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from config.bounded_json import InvalidJson, load_json
from config.text_patterns import message_of
from management.http.problem import ApiProblem

_Model = TypeVar("_Model", bound=BaseModel)

MAX_BODY_BYTES = 64 * 1024


class BodyTooSlow(web.RequestPayloadError):
    """The body did not arrive in time. The body deadline sets this on the body."""


class UnreadableBody(Exception):
    """The body cannot be read. ``status`` and ``detail`` are for the client."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


async def body_of(request: web.Request) -> bytes:
    """Return the whole body.

    Raises:
        UnreadableBody: with status 400, 408 or 413.
    """
    length = request.content_length
    if length is not None and length > MAX_BODY_BYTES:
        raise _too_large()
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise _too_large() from None
    except Exception as exc:
        known = unreadable(request, exc)
        if known is None:
            raise
        raise known from None


def unreadable(request: web.Request, exc: Exception) -> UnreadableBody | None:
    """Return the error that ``exc`` means for the body; None if it has another cause."""
    if isinstance(exc, UnreadableBody):
        return exc
    if exc is not request.content.exception() and not isinstance(exc, web.RequestPayloadError):
        return None
    # The body keeps the exception, and its traceback would keep the frames alive.
    exc.__traceback__ = None
    if isinstance(exc, BodyTooSlow):
        return UnreadableBody(408, "the body did not arrive in time: send it again, faster")
    return UnreadableBody(400, "the body is malformed or incomplete: send it again")


async def read_body(request: web.Request, model: type[_Model]) -> _Model:
    """Return the JSON body as ``model``.

    Raises:
        ApiProblem: the body is not valid; every invalid field is named.
    """
    raw = await _read(request, frozenset({"application/json"}))
    _checked(raw)
    return validated(model, raw)


async def read_json(request: web.Request, types: Collection[str]) -> object:
    """Return the JSON body as a plain value.

    Raises:
        ApiProblem: the body is not JSON of one of ``types``.
    """
    return _checked(await _read(request, types))


def _checked(raw: bytes) -> object:
    """Parse JSON that has exactly one reading (no duplicate names).

    Raises:
        ApiProblem: it has not.
    """
    try:
        return load_json(raw)
    except InvalidJson as exc:
        raise ApiProblem(400, f"the body is not valid JSON: {exc}") from None


async def _read(request: web.Request, types: Collection[str]) -> bytes:
    if request.content_type not in types:
        raise ApiProblem(415, f"the body must be {' or '.join(sorted(types))}")
    return await body_of(request)


def validated(model: type[_Model], raw: bytes | str) -> _Model:
    """Return JSON text as ``model``.

    Raises:
        ApiProblem: the text is not valid; every invalid field is named.
    """
    try:
        return model.model_validate_json(raw)
    except ValidationError as exc:
        if exc.errors()[0]["type"] == "json_invalid":
            raise ApiProblem(400, "the body is not valid JSON") from None
        errors = [
            {
                "field": ".".join(map(str, one["loc"])),
                "message": message_of(one),
            }
            for one in exc.errors(include_url=False, include_input=False)
        ]
        fields = ", ".join(f"{one['field'] or 'body'}: {one['message']}" for one in errors)
        raise ApiProblem(422, f"the body is not valid: {fields}", errors=errors) from None


def _too_large() -> UnreadableBody:
    return UnreadableBody(413, f"the body may have at most {MAX_BODY_BYTES} bytes")
