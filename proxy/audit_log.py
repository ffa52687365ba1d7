"""The audit log: who did what to which cluster, and what came of it.

Events are made where the request is, and written by a thread; one that can't keep up loses events,
which is counted, rather than holding up the gate.
"""

import time
from collections.abc import Mapping

from proxy.access import Access
from proxy.audit_event import event_line
from proxy.audit_policy import AuditPolicy
from proxy.line_log import LineLog
from proxy.timestamps import rfc3339


class AuditLog:
    """Writes events to ``log``, of what ``policy`` wants audited."""

    def __init__(self, log: LineLog, policy: AuditPolicy, *, commands: bool) -> None:
        self._log = log
        self._policy = policy
        self._commands = commands

    def started(self, access: Access) -> None:
        """A long-running answer (a watch, an exec) has begun: it may end in hours."""
        if self._policy.audits(access):
            now = rfc3339(time.time())
            line = event_line(access, "ResponseStarted", now=now, commands=self._commands)
            self._log.write(line)

    def completed(self, access: Access, ended: str, notes: Mapping[str, str] | None = None) -> None:
        """The request has ended, well or not; ``ended`` says when, as text."""
        if self._policy.audits(access):
            self._log.write(
                event_line(
                    access,
                    "ResponseComplete",
                    now=ended,
                    commands=self._commands,
                    notes=notes,
                )
            )
