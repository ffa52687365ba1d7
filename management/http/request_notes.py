"""What the endpoints say of a request to whoever tells of it: the audit log."""

from aiohttp import web

from providers.base import Refused

ADDRESS = web.RequestKey("address", str)
"""The client's address (see :mod:`management.client_address`)."""

NOTES = web.RequestKey("notes", dict[str, str])
"""More about the request, by key; no secrets."""


def address_of(request: web.Request) -> str:
    """From where the request came."""
    return request[ADDRESS]


def told(why: Refused) -> str:
    """A refusal as one line for the audit log."""
    return f"{why.reason} ({why.detail})" if why.detail else why.reason


def note(request: web.Request, **said: str) -> None:
    """Say more about the request. Never a secret, nor what somebody typed."""
    request[NOTES].update(said)
