"""One line a request: who asked what of which cluster, and what came of it.

JSON lines by default; never a header, a body or a query (tokens and commands may be in them).
"""

import json
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
    fields: dict[str, object] = {
        "timestamp": rfc3339(access.received + access.seconds),
        "event": "request",
        "request_id": access.request_id,
        "remote": access.remote,
        "method": access.method,
        "path": access.path,
        "code": access.code,
        "seconds": round(access.seconds, 6),
        "sent": access.sent,
    }
    acting_as = access.acting_as.user if access.acting_as is not None else ""
    more = (
        ("cluster", access.cluster),
        ("verb", access.info.verb),
        ("user", access.user),
        ("acting_as", acting_as),
        ("note", access.note),
    )
    fields.update((name, value) for name, value in more if value)
    return json.dumps(fields, ensure_ascii=True)


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
