"""What the endpoints say of a request to whoever tells of it: the audit log."""

from aiohttp import web

ADDRESS = web.RequestKey("address", str)
"""The client's address (see :mod:`management.client_address`)."""

NOTES = web.RequestKey("notes", dict[str, str])
"""More about the request, by key; no secrets."""


def address_of(request: web.Request) -> str:
    """From where the request came."""
    return request[ADDRESS]


def note(request: web.Request, **said: str) -> None:
    """Say more about the request. Never a secret, nor what somebody typed."""
    request[NOTES].update(said)
