"""Continue a request to a cluster in the caller's name, and end what its client left."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from aiohttp import web

from management.api.authentication import ON_CLIENT_LEFT, PERMIT, caller_of
from management.api.services import services_of
from management.caller_client.client import CallerClient
from management.caller_client.errors import CallerRequestError, RequestRefused
from management.caller_client.gate import OnBehalf
from management.http.problem import CHALLENGE, REQUEST_ID, ApiProblem
from management.http.request_notes import address_of, user_agent_of

MAX_ID = 48
"""Characters of a request's id that are passed on; what is appended needs the others."""

_PASSED_ON = frozenset({400, 401, 403, 404, 406, 409, 413, 415, 422, 429, 502, 503, 504})
"""Statuses of the gate and of clusters that mean the same for the caller of the API."""

T = TypeVar("T")


def caller_client(request: web.Request, cluster: str, part: str = "") -> CallerClient:
    """Return a client that sends requests to a cluster with the credential of ``request``.

    From here on, the gate counts what the caller does: the permit of ``request`` is released.
    Otherwise a caller who may send one request at a time could send none to a cluster. ``part``
    distinguishes the ids of requests to several clusters.
    """
    permit = request.get(PERMIT)
    if permit is not None:
        permit.release()
    on_behalf = OnBehalf(
        caller_of(request).bearer,
        address_of(request),
        request[REQUEST_ID][:MAX_ID] + part,
        user_agent_of(request),
    )
    return services_of(request).gate.client(cluster, on_behalf)


async def while_client_stays(request: web.Request, work: Coroutine[Any, Any, T]) -> T:
    """Return the result of ``work``, which is cancelled when the client leaves.

    Only for work that may end anywhere, such as reading: the API completes a change even if its
    client leaves.

    Raises:
        ConnectionResetError: the client has left.
    """
    left = False
    task = asyncio.ensure_future(work)

    def end() -> None:
        nonlocal left
        left = True
        task.cancel()

    request[ON_CLIENT_LEFT] = end
    if request.transport is None:  # It has left already, and is not reported again.
        end()
    try:
        return await task
    except asyncio.CancelledError:
        if left:
            raise ConnectionResetError("the client closed the connection") from None
        task.cancel()
        raise
    finally:
        request[ON_CLIENT_LEFT] = _nothing


def _nothing() -> None:
    """Do nothing: the work has ended."""


def problem_of(error: CallerRequestError) -> ApiProblem:
    """Return the response for a request that the gate or the cluster did not serve."""
    if not isinstance(error, RequestRefused):
        return ApiProblem(502, str(error))
    status = error.status if error.status in _PASSED_ON else 502
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
    if status == 401:
        headers |= CHALLENGE
    return ApiProblem(status, str(error), headers=headers)
