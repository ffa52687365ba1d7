"""Say what a server's refusal means, in one line with what to do next. Pure."""

from collections.abc import Mapping
from typing import Any

from proxy.cli.client.known_servers import KnownServer
from proxy.cli.client.server_client import Reply
from proxy.cli.common import CommandFailed

TOKEN_VARIABLE = "SEKISHO_TOKEN"  # noqa: S105  # the variable's name


class Refused(CommandFailed):
    """The server refused a request. ``status`` is that of the response."""

    def __init__(self, status: int, *lines: str) -> None:
        super().__init__(lines[0])
        self.status = status
        self._lines = lines

    @property
    def lines(self) -> tuple[str, ...]:
        """One line for each problem."""
        return self._lines


def refused(reply: Reply, server: KnownServer, *, from_variable: bool) -> Refused:
    """Return the error for a response that is not a success."""
    status, detail = reply.status, reply.refusal
    if status == 401:
        return Refused(status, signed_out(server, from_variable=from_variable))
    if status == 412:
        detail = f"changed by another client meanwhile; run the command again ({detail})"
    lines = [_with_id(detail, reply.data) if status == 403 or status >= 500 else detail]
    if status == 422:
        lines = _fields(reply.data) or lines
    return Refused(status, *lines)


def signed_out(server: KnownServer, *, from_variable: bool) -> str:
    """Return the sentence for a credential that the server does not accept."""
    if from_variable:
        return (
            f"{server.name} doesn't accept the token in {TOKEN_VARIABLE}: it has expired, was "
            "revoked, or is another server's"
        )
    return f"your sign-in at {server.name} has expired: run `sekisho login --server {server.url}`"


def not_signed_in(server: KnownServer) -> CommandFailed:
    """Return the error for a server without a sign-in on this machine."""
    return CommandFailed(
        f"you are not signed in to {server.name}: run `sekisho login --server {server.url}`"
    )


def not_sekisho(server: KnownServer) -> CommandFailed:
    """Return the error for a successful response that Sekisho would not send."""
    return CommandFailed(f"{server.url} did not respond like Sekisho; is --server right?")


def _with_id(detail: str, data: Mapping[str, Any]) -> str:
    found = data.get("request_id")
    return f"{detail} (request {found})" if isinstance(found, str) and found else detail


def _fields(data: Mapping[str, Any]) -> list[str]:
    """Return a line for each invalid field, as the server lists them."""
    listed = data.get("errors")
    found = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    return [f"{one.get('field') or 'request'}: {one.get('message')}" for one in found]
