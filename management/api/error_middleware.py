"""Map the errors of endpoints to problem details, in one place."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from config.loggers import get_logger
from management.api.caller_requests import problem_of
from management.api.request_limits import TooMany
from management.caller_client.errors import CallerRequestError
from management.http.body import unreadable
from management.http.problem import CHALLENGE, REQUEST_ID, ApiProblem
from management.http.request_notes import add_audit_note
from management.identity.tokens import BeyondParent, TtlTooLong
from providers.base import ProviderUnavailable, Throttled
from store.errors import (
    Conflict,
    InUse,
    LastAdministrator,
    ParentGone,
    RecordNotFound,
    StaleRevision,
    StoreUnavailable,
)

_LOG = get_logger(__name__)


@web.middleware
async def error_middleware(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Turn every error into problem details."""
    try:
        return await handler(request)
    except ApiProblem as problem:
        add_audit_note(request, reason=problem.note)
        return problem.response(request[REQUEST_ID])
    except web.HTTPException as exc:
        if exc.status < 400:
            raise
        headers = {"Allow": exc.headers["Allow"]} if "Allow" in exc.headers else {}
        detail = _DETAILS.get(exc.status, exc.reason)
        return ApiProblem(exc.status, detail, headers=headers).response(request[REQUEST_ID])
    except TooMany as exc:
        await asyncio.sleep(exc.hold)
        add_audit_note(request, reason=str(exc))
        headers = {"Retry-After": str(exc.retry_after)}
        return ApiProblem(exc.status, str(exc), headers=headers).response(request[REQUEST_ID])
    except Exception as exc:
        known = _known(exc) or _client_problem(request, exc)
        if known is None:
            _LOG.exception("request failed", request_id=request[REQUEST_ID], path=request.path)
            known = ApiProblem(500, "an internal error; the log has details under the request id")
        return known.response(request[REQUEST_ID])


_DETAILS = {
    404: "nothing exists at this path; see /docs",
    405: "the method is not allowed at this path; see the Allow header",
}


def _client_problem(request: web.Request, exc: Exception) -> ApiProblem | None:
    """Return the problem that the client caused: an unreadable body, or a closed connection."""
    body = unreadable(request, exc)
    if body is not None:
        add_audit_note(request, reason=body.detail)
        headers = {"Connection": "close"}
        return ApiProblem(body.status, body.detail, headers=headers)
    gone = request.transport is None or request.transport.is_closing()
    if gone and isinstance(exc, ConnectionError):
        return ApiProblem(400, "the client closed the connection")
    return None


def _known(exc: Exception) -> ApiProblem | None:
    """Return the problem for an error of a lower layer, or None."""
    if isinstance(exc, StoreUnavailable):
        _LOG.error("store unavailable", error=str(exc))
        # The next connection may lead to another replica.
        headers = {"Retry-After": "2", "Connection": "close"}
        return ApiProblem(503, "the store is unavailable; try again", headers=headers)
    if isinstance(exc, ProviderUnavailable):
        _LOG.warning("provider unavailable", error=str(exc))
        wait = str(exc.retry_after or 5)
        return ApiProblem(
            503, "the provider is unavailable; try again", headers={"Retry-After": wait}
        )
    if isinstance(exc, Throttled):
        return ApiProblem(429, str(exc), headers={"Retry-After": str(exc.retry_after)})
    if isinstance(exc, CallerRequestError):
        return problem_of(exc)
    if isinstance(exc, TtlTooLong):
        return ApiProblem(422, str(exc))
    if isinstance(exc, BeyondParent):
        return ApiProblem(403, str(exc))
    if isinstance(exc, ParentGone):
        return ApiProblem(401, str(exc), headers=CHALLENGE)
    if isinstance(exc, Conflict | InUse | LastAdministrator | StaleRevision):
        return ApiProblem(409, str(exc))
    if isinstance(exc, RecordNotFound):
        return ApiProblem(404, str(exc))
    return None
