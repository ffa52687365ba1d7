"""One line a request: who asked what of which cluster, and what came of it.

JSON lines by default; never a header, a body or a query (tokens and commands may be in them).
"""

from json.encoder import encode_basestring_ascii as quoted
from typing import Literal

from proxy.access import Access
from proxy.line_log import LineLog
from proxy.timestamps import rfc3339


class AccessLog:
    """Formats accesses as lines of ``log``."""

    def __init__(self, log: LineLog, style: Literal["json", "console"] = "json") -> None:
        self._log = log
        self._format = _json_line if style == "json" else _console_line

    def record(self, access: Access) -> None:
        """Write one line."""
        self._log.write(self._format(access))


def _json_line(access: Access) -> str:
    """Written by hand, as audit events are: it is done for every request."""
    acting_as = access.acting_as.user if access.acting_as is not None else ""
    more = (
        (access.cluster and f', "cluster": {quoted(access.cluster)}')
        + f', "verb": "{access.info.verb}"'
        + (access.user and f', "user": {quoted(access.user)}')
        + (acting_as and f', "acting_as": {quoted(acting_as)}')
        + (access.note and f', "note": {quoted(access.note)}')
    )
    return (
        f'{{"timestamp": "{rfc3339(access.received + access.seconds)}", "event": "request", '
        f'"request_id": {quoted(access.request_id)}, "remote": {quoted(access.remote)}, '
        f'"method": {quoted(access.method)}, "path": {quoted(access.path)}, '
        f'"code": {access.code}, "seconds": {access.seconds:.6f}, "sent": {access.sent}{more}}}'
    )


def _console_line(access: Access) -> str:
    who = access.user or "-"
    if access.acting_as:
        who += f" as {access.acting_as.user!r}"
    note = f" ({access.note!r})" if access.note else ""
    when = rfc3339(access.received + access.seconds)
    return (
        f"{when} {access.code} {access.method} {access.path!r} by {who} from {access.remote} "
        f"in {access.seconds * 1000:.1f} ms, {access.sent} bytes [{access.request_id}]{note}"
    )
