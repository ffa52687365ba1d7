"""One line a request: who asked what of which cluster, and what came of it.

JSON lines by default; never a header, a body or a query (tokens and commands may be in them).
"""

import json
import time
from dataclasses import dataclass
from typing import Literal

from proxy.line_log import LineLog


@dataclass(slots=True)
class Access:
    """What is known of a request; filled in as it becomes known."""

    request_id: str
    remote: str
    method: str
    path: str
    verb: str = ""
    cluster: str = ""
    user: str = ""
    acting_as: str = ""
    code: int = 0
    sent: int = 0
    seconds: float = 0.0
    note: str = ""


class AccessLog:
    """Formats accesses as lines of ``log``."""

    def __init__(self, log: LineLog, style: Literal["json", "console"] = "json") -> None:
        self._log = log
        self._format = _json_line if style == "json" else _console_line

    def record(self, access: Access) -> None:
        """Write one line."""
        self._log.write(self._format(access))


def _now() -> str:
    now = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"


def _json_line(access: Access) -> str:
    fields: dict[str, object] = {
        "timestamp": _now(),
        "event": "request",
        "request_id": access.request_id,
        "remote": access.remote,
        "method": access.method,
        "path": access.path,
        "code": access.code,
        "seconds": round(access.seconds, 6),
        "sent": access.sent,
    }
    for name in ("cluster", "verb", "user", "acting_as", "note"):
        value = getattr(access, name)
        if value:
            fields[name] = value
    return json.dumps(fields, ensure_ascii=True)


def _console_line(access: Access) -> str:
    who = access.user or "-"
    if access.acting_as:
        who += f" as {access.acting_as!r}"
    note = f" ({access.note})" if access.note else ""
    return (
        f"{_now()} {access.code} {access.method} {access.path!r} by {who} from {access.remote} "
        f"in {access.seconds * 1000:.1f} ms, {access.sent} bytes [{access.request_id}]{note}"
    )
