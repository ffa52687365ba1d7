"""Write one line per request: caller, request, cluster and outcome.

The lines are JSON by default. They contain no header, no body and no query, because these may
contain tokens and commands.
"""

from json.encoder import encode_basestring_ascii as quoted
from typing import Literal

from proxy.logs.line_writer import LineWriter
from proxy.logs.timestamps import decimal, rfc3339
from proxy.logs.truncation import cut
from proxy.request.context import Pieces, RequestContext

MAX_PATH = 2048
"""Characters of a request's path in a line."""

MAX_NAME, MAX_REASON = 256, 1024
"""Characters of the user to impersonate, and of the reason for a rejection."""


class AccessLog:
    """Format finished requests as lines of ``log``."""

    def __init__(self, log: LineWriter, style: Literal["json", "console"] = "json") -> None:
        self._log = log
        self._format = _json_line if style == "json" else _console_line

    def record(self, access: RequestContext) -> None:
        """Write one line about a request that has ended."""
        self._log.write(self._format(access, rfc3339(access.received_at + access.duration)))


def _json_line(access: RequestContext, ended: str) -> str:
    """Return the line in JSON. It is formatted by hand because each request needs one."""
    fragments = access.log_fragments
    if fragments is None or access.reason or access.impersonated is not None:
        before, after = _pieces(access)
    else:
        if fragments.log is None:
            fragments.log = _pieces(access)
        before, after = fragments.log
    return (
        f'{{"timestamp": "{ended}", "event": "request", "request_id": "{access.request_id}", '
        f'{before}{access.status}, "duration_seconds": {decimal(access.duration)}, '
        f'"bytes_sent": {access.bytes_sent}{after}'
    )


def _pieces(access: RequestContext) -> Pieces:
    """Return the parts that do not vary: before the status, and after the numbers."""
    impersonated = ""
    if access.impersonated is not None:
        impersonated = cut(access.impersonated.user, MAX_NAME)
    before = (
        f'"client_ip": {quoted(access.remote)}, "method": {quoted(access.method)}, '
        f'"path": {quoted(cut(access.path, MAX_PATH))}, "status": '
    )
    after = (
        (access.cluster and f', "cluster": {quoted(access.cluster)}')
        + f', "verb": "{access.info.verb}"'
        + ((access.token is not None and f', "user": {quoted(access.token.user.id)}') or "")
        + (impersonated and f', "impersonated_user": {quoted(impersonated)}')
        + (access.reason and f', "reason": {quoted(cut(access.reason, MAX_REASON))}')
        + (access.trace_id and f', "trace_id": "{access.trace_id}"')
        + "}"
    )
    return before, after


def _console_line(access: RequestContext, ended: str) -> str:
    who = access.user or "-"
    if access.impersonated:
        who += f" as {cut(access.impersonated.user, MAX_NAME)!r}"
    reason = f" ({cut(access.reason, MAX_REASON)!r})" if access.reason else ""
    path = cut(access.path, MAX_PATH)
    return (
        f"{ended} {access.status} {access.method} {path!r} by {who} from {access.remote} "
        f"in {access.duration * 1000:.1f} ms, {access.bytes_sent} bytes "
        f"[{access.request_id}]{reason}"
    )
