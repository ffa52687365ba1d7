"""Facts about a request that endpoints add for the audit log."""

from aiohttp import web

from providers.base import Rejected

ADDRESS = web.RequestKey("address", str)
"""The client's address (see :mod:`management.http.client_address`)."""

NOTES = web.RequestKey("notes", dict[str, str])
"""Facts by key; never secrets."""

TRACE_ID = web.RequestKey("trace_id", str)
"""The id of the trace, if the request is traced."""

REJECTED = "rejected"
"""Key of the note that a sign-in was rejected. The audit log has a budget for such events."""


def address_of(request: web.Request) -> str:
    """Return the client's address."""
    return request[ADDRESS]


def user_agent_of(request: web.Request) -> str:
    """Return the name that the client's program gives itself; not trusted."""
    return request.headers.get("User-Agent", "")


def describe_rejection(rejection: Rejected) -> str:
    """Return the reason of a rejection as one line for the audit log."""
    return f"{rejection.reason} ({rejection.detail})" if rejection.detail else rejection.reason


def add_audit_note(request: web.Request, **facts: str) -> None:
    """Add facts about the request. Never a secret, nor text that a user typed."""
    request[NOTES].update(facts)
