"""One line a request: who asked what of which cluster, and what came of it.

JSON lines by default; never a header, a body or a query (tokens and commands may be in them).
"""

from json.encoder import encode_basestring_ascii as quoted
from typing import Literal

from proxy.access import Access, Pieces
from proxy.line_log import LineLog
from proxy.timestamps import decimal


class AccessLog:
    """Formats accesses as lines of ``log``."""

    def __init__(self, log: LineLog, style: Literal["json", "console"] = "json") -> None:
        self._log = log
        self._format = _json_line if style == "json" else _console_line

    def record(self, access: Access, ended: str) -> None:
        """Write one line. ``ended`` is when the request had been answered, as text."""
        self._log.write(self._format(access, ended))


def _json_line(access: Access, ended: str) -> str:
    """Written by hand, as audit events are: it is done for every request."""
    told = access.told
    if told is None or access.note or access.acting_as is not None:
        before, after = _pieces(access)
    else:
        if told.log is None:
            told.log = _pieces(access)
        before, after = told.log
    return (
        f'{{"timestamp": "{ended}", "event": "request", "request_id": "{access.request_id}", '
        f'{before}{access.code}, "seconds": {decimal(access.seconds)}, "sent": {access.sent}{after}'
    )


def _pieces(access: Access) -> Pieces:
    """What is the same for every such request: before its code, and behind its numbers."""
    acting_as = access.acting_as.user if access.acting_as is not None else ""
    before = (
        f'"remote": {quoted(access.remote)}, "method": {quoted(access.method)}, '
        f'"path": {quoted(access.path)}, "code": '
    )
    after = (
        (access.cluster and f', "cluster": {quoted(access.cluster)}')
        + f', "verb": "{access.info.verb}"'
        + (access.user and f', "user": {quoted(access.user)}')
        + (acting_as and f', "acting_as": {quoted(acting_as)}')
        + (access.note and f', "note": {quoted(access.note)}')
        + "}"
    )
    return before, after


def _console_line(access: Access, ended: str) -> str:
    who = access.user or "-"
    if access.acting_as:
        who += f" as {access.acting_as.user!r}"
    note = f" ({access.note!r})" if access.note else ""
    return (
        f"{ended} {access.code} {access.method} {access.path!r} by {who} from {access.remote} "
        f"in {access.seconds * 1000:.1f} ms, {access.sent} bytes [{access.request_id}]{note}"
    )
