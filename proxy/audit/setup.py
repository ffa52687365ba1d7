"""Opening the audit log that the operator asked for, and auditing management with it."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Protocol

from aiohttp import web

from config.problems import ConfigError, Problem
from config.settings import Settings
from management.authentication import CALLER
from management.problems import REQUEST_ID
from management.telling import ADDRESS, NOTES
from proxy.access import Access
from proxy.audit_log import AuditLog
from proxy.audit_policy import AuditPolicy
from proxy.data_dir import prepare
from proxy.dispatch import Telling
from proxy.line_log import LineLog
from proxy.request_info import request_info
from proxy.rotating_file import RotatingFile
from proxy.routing import path_alone
from proxy.timestamps import rfc3339

FILE = "audit.log"
_AUDITED = "/v1/"


class _Callbacks(Protocol):
    def callback(self, callback: Callable[[], object], /) -> object: ...


def open_audit_log(
    settings: Settings, lost: Callable[[], None], stack: ExitStack | _Callbacks
) -> AuditLog | None:
    """The audit log, closed with ``stack``; None where there shall be none. Raises ConfigError."""
    audit = settings.audit
    if audit.to == "none":
        return None
    if audit.to == "stdout":
        log = LineLog(sys.stdout, lost=lost)
    else:
        file = audit.file or prepare(settings) / FILE
        try:
            stream = RotatingFile(file, max_bytes=audit.max_size, backups=audit.backups)
        except OSError as exc:
            said = (exc.strerror or str(exc)).lower()
            raise ConfigError(
                [Problem(str(file), "audit.file", f"can't be written: {said}; name another file")]
            ) from exc
        stack.callback(stream.close)
        log = LineLog(stream, lost=lost)
    stack.callback(log.close)
    return AuditLog(log, AuditPolicy(audit.rules), commands=audit.commands)


def audit_of_management(audit_log: AuditLog | None) -> Telling | None:
    """What tells the audit log of requests to the API; None where there is no log."""
    if audit_log is None:
        return None

    def tell(request: web.BaseRequest, response: web.StreamResponse, received: float) -> None:
        if request.path.startswith(_AUDITED) and isinstance(request, web.Request):
            access = _access(request, response, received)
            audit_log.completed(access, rfc3339(received), request.get(NOTES))

    return tell


def _access(request: web.Request, response: web.StreamResponse, received: float) -> Access:
    caller = request.get(CALLER)
    return Access(
        request.get(ADDRESS, ""),
        request.method,
        path_alone(request.raw_path),
        received,
        request_id=request.get(REQUEST_ID, ""),
        user_agent=request.headers.get("User-Agent", ""),
        target=request.raw_path.partition("#")[0],
        info=request_info(request.method, request.raw_path),
        resolved=caller.resolved if caller is not None else None,
        code=response.status,
    )
