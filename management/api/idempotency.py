"""Idempotent creation: a POST with an ``Idempotency-Key`` runs once, however often it is sent.

After draft-ietf-httpapi-idempotency-key-header: the same key with the same request returns the same
response again; with another request it is rejected. Responses are stored encrypted for a day.
"""

import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from aiohttp import web

from management.api.authentication import caller_of
from management.api.services import services_of
from management.http.body import body_of
from management.http.problem import ApiProblem

HEADER = "Idempotency-Key"
LIFETIME = timedelta(days=1)
UNFINISHED = timedelta(minutes=2)
"""How long a request that never finishes blocks its key."""

MAX_CHARACTERS = 255

_NOT_STORED = frozenset({409, 412, 429})

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def with_idempotency_key(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Return the stored response, or run the handler and store its response.

    Raises:
        ApiProblem: 422 if the key was used for another request, 409 if that request still runs or
            no encryption key opens its response.
    """
    offered = request.headers.get(HEADER)
    if offered is None:
        return await handler(request)
    if not 1 <= len(offered) <= MAX_CHARACTERS or not offered.isprintable():
        raise ApiProblem(422, f"{HEADER} must be 1 to {MAX_CHARACTERS} printable characters")
    records = services_of(request).store.idempotency_records
    key = _digest(_key_owner(request), request.method, request.path, offered)
    now = datetime.now(UTC)
    stored = await records.begin(key, await _request_digest(request), now + UNFINISHED)
    if stored is not None:
        if stored.request != await _request_digest(request):
            raise ApiProblem(422, f"this {HEADER} was used for another request: use a new one")
        if stored.status is None:
            raise ApiProblem(
                409,
                "the same request is still running; try again later",
                headers={"Retry-After": "2"},
            )
        if stored.body is None:
            # Not run again: it had its effect.
            raise ApiProblem(
                409,
                f"the same request ended with status {stored.status}, but no encryption key opens "
                f"its response: look at what exists, and use a new {HEADER} for a new request",
            )
        return _replay(stored.status, stored.body)
    try:
        response = await handler(request)
    except BaseException:
        # Nothing was created, or the result is unknown: the client may try again.
        await records.abandon(key)
        raise
    if not isinstance(response, web.Response) or response.status in _NOT_STORED:
        await records.abandon(key)
        return response
    body = response.text or ""
    await records.finish(key, response.status, f"{response.content_type}\n{body}", now + LIFETIME)
    return response


def _key_owner(request: web.Request) -> str:
    """Return the owner of the keys: a user in any session, or one other token.

    A response may contain a token that was created in a session, which another token could not
    create.
    """
    token = caller_of(request).authenticated.token
    return token.user_id if token.kind == "session" else f"{token.user_id} {token.name}"


def _replay(status: int, stored: str) -> web.Response:
    content_type, _, body = stored.partition("\n")
    headers = {"Idempotency-Replayed": "true", "Cache-Control": "no-store"}
    return web.Response(status=status, text=body, content_type=content_type, headers=headers)


async def _request_digest(request: web.Request) -> bytes:
    return _digest(request.query_string, (await body_of(request)).hex())


def _digest(*parts: str) -> bytes:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).digest()
