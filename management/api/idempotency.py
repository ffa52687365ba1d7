"""Creating once: a POST with an ``Idempotency-Key`` is carried out once, however often it comes.

After draft-ietf-httpapi-idempotency-key-header: the same key with the same request gives the same
answer again; with another request it is refused. Answers are kept encrypted for a day.
"""

import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from aiohttp import web

from management.authentication import caller_of
from management.problems import MAX_BODY_BYTES, Problem
from management.services import services_of

HEADER = "Idempotency-Key"
KEPT = timedelta(days=1)
UNFINISHED = timedelta(minutes=2)
"""How long a request that never came to an end keeps its key."""

MOST_CHARACTERS = 255

_NOT_KEPT = frozenset({409, 412, 429})

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def carried_out_once(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer as before, or carry the request out. Raises Problem."""
    offered = request.headers.get(HEADER)
    if offered is None:
        return await handler(request)
    if not 1 <= len(offered) <= MOST_CHARACTERS or not offered.isprintable():
        raise Problem(422, f"{HEADER} must be 1 to {MOST_CHARACTERS} printable characters")
    answers = services_of(request).store.answers
    key = _digest(caller_of(request).user.id, request.method, request.path, offered)
    now = datetime.now(UTC)
    kept = await answers.begin(key, await _content(request), now + UNFINISHED)
    if kept is not None:
        if kept.request != await _content(request):
            raise Problem(422, f"this {HEADER} was used for another request")
        if kept.status is None or kept.body is None:
            raise Problem(
                409, "the same request is being carried out", headers={"Retry-After": "2"}
            )
        return _again(kept.status, kept.body)
    try:
        response = await handler(request)
    except BaseException:
        # Nothing was made, or nobody knows: it may be tried again.
        await answers.abandon(key)
        raise
    if not isinstance(response, web.Response) or response.status in _NOT_KEPT:
        await answers.abandon(key)
        return response
    body = response.text or ""
    await answers.finish(key, response.status, f"{response.content_type}\n{body}", now + KEPT)
    return response


def _again(status: int, kept: str) -> web.Response:
    content_type, _, body = kept.partition("\n")
    headers = {"Idempotency-Replayed": "true", "Cache-Control": "no-store"}
    return web.Response(status=status, text=body, content_type=content_type, headers=headers)


async def _content(request: web.Request) -> bytes:
    try:
        return _digest(request.query_string, (await request.read()).hex())
    except web.HTTPRequestEntityTooLarge:
        raise Problem(413, f"the body may have {MAX_BODY_BYTES} bytes at the most") from None


def _digest(*parts: str) -> bytes:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).digest()
