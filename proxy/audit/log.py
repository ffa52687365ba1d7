"""The audit log: who did what in which cluster, and the outcome.

Events are formatted in the event loop and written by a thread. If the thread cannot keep up, events
are dropped and counted; requests never wait for it.

Events without an authenticated user have a budget, and rejected sign-ins have another. Events over
the budget go to a separate log, or are dropped if there is none.
"""

import time
from collections.abc import Callable, Mapping

from impersonation.identity import Subject
from management.http.request_notes import REJECTED
from proxy.audit.anonymous_budget import AnonymousBudget
from proxy.audit.event import event_line
from proxy.audit.index import REFUSED, AuditIndex
from proxy.audit.policy import AuditPolicy
from proxy.logs.line_writer import LineWriter
from proxy.logs.timestamps import rfc3339
from proxy.request.context import RequestContext


class AuditLog:
    """Write events to ``log`` for the requests that ``policy`` selects.

    ``anonymous_per_day`` is the budget in bytes; 0 means no budget. ``over_budget`` gets the events
    over the budget; without it, ``dropped`` is called for each. ``index`` gets every event, and
    selects those that can be searched.
    """

    def __init__(
        self,
        log: LineWriter,
        policy: AuditPolicy,
        *,
        commands: bool,
        anonymous_per_day: int = 0,
        over_budget: LineWriter | None = None,
        dropped: Callable[[], None] = lambda: None,
        index: AuditIndex | None = None,
    ) -> None:
        self._log = log
        self._budgeted = anonymous_per_day > 0
        self._sign_ins = AnonymousBudget(anonymous_per_day // 2, time.monotonic)
        self._others = AnonymousBudget(anonymous_per_day // 2, time.monotonic)
        self._over_budget = over_budget
        self._dropped = dropped
        self._policy = policy
        self._commands = commands
        self.index = index

    def started(self, access: RequestContext) -> None:
        """Record that a long-running response (a watch, an exec) has begun."""
        if self._policy.audits(access):
            now = rfc3339(time.time())
            line = event_line(access, "ResponseStarted", now=now, commands=self._commands)
            self._log.write(line)
            if self.index is not None:
                self.index.offer(access, "ResponseStarted", None)

    def completed(self, access: RequestContext, notes: Mapping[str, str] | None = None) -> None:
        """Record that a request has ended."""
        if self._policy.audits(access):
            line = event_line(
                access,
                "ResponseComplete",
                now=rfc3339(access.received_at + access.duration),
                commands=self._commands,
                notes=notes,
            )
            if access.token is None and self._budgeted:
                self._write_anonymous(line, notes or {})
            else:
                self._log.write(line)
            index, fragments = self.index, access.log_fragments
            # Most requests read, and the decision about repeated ones is cached.
            if index is not None and (
                fragments is None
                or fragments.searchable is not False
                or access.status in REFUSED
                or notes is not None
            ):
                index.offer(access, "ResponseComplete", notes)

    def acted(self, access: RequestContext, actor: Subject, notes: Mapping[str, str]) -> None:
        """Record an act of ``actor``, a part of Sekisho, that no request caused."""
        if self._policy.audits(access):
            now = rfc3339(access.received_at)
            line = event_line(
                access,
                "ResponseComplete",
                now=now,
                commands=self._commands,
                notes=notes,
                actor=actor,
            )
            self._log.write(line)
            if self.index is not None:
                self.index.offer(access, "ResponseComplete", notes)

    def _write_anonymous(self, line: str, notes: Mapping[str, str]) -> None:
        budget = self._sign_ins if REJECTED in notes else self._others
        # A successful sign-in has a user, although the request had no credential.
        if "user" in notes or budget.take(len(line)):
            self._log.write(line)
        elif self._over_budget is not None:
            self._over_budget.write(line)
        else:
            self._dropped()
