"""Open the configured audit log, and observe requests to the API for it."""

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Protocol

from aiohttp import web

from config.audit_settings import AuditSettings
from config.errors import Problem, system_reason
from config.loggers import get_logger
from config.problems import ConfigError
from config.settings import Settings
from management.api.access_requirements import CLUSTER, PROJECT
from management.api.authentication import CALLER
from management.api.order_visibility import ORDER
from management.http.problem import REQUEST_ID
from management.http.request_notes import ADDRESS, NOTES, TRACE_ID
from proxy.audit.index import AuditIndex
from proxy.audit.log import AuditLog
from proxy.audit.policy import AuditPolicy
from proxy.client.dispatch import Observer
from proxy.files.data_dir import ensure_data_dir
from proxy.logs.line_writer import LineWriter
from proxy.logs.rotating_file import RotatingFile
from proxy.request.context import RequestContext
from proxy.request.request_info import request_info
from proxy.request.target import path_without_query

FILE = "audit.log"
_AUDITED = "/v1/"
_LOG = get_logger(__name__)


class _Callbacks(Protocol):
    def callback(self, callback: Callable[[], object], /) -> object: ...


def open_audit_log(
    settings: Settings,
    lost: Callable[[], None],
    stack: ExitStack | _Callbacks,
    dropped: Callable[[], None] = lambda: None,
    not_searchable: Callable[[str], None] = lambda reason: None,
) -> AuditLog | None:
    """Open the audit log and close it with ``stack``. None if the configuration has none.

    ``lost`` is called for each event that cannot be written. ``dropped`` is called for each event
    without an authenticated user that is over the budget, if there is no file for these.
    ``not_searchable`` is called for each event that is in the log but is not stored for searches.

    Raises:
        ConfigError: the file cannot be opened.
    """
    audit = settings.audit
    if audit.output == "none":
        return None
    over_budget = None
    anonymous = int(audit.anonymous_per_day)
    if audit.output == "stdout":
        log = LineWriter(sys.stdout, lost=lost, failing=partial(_report, "standard output"))
        stack.callback(log.close)
    else:
        file = audit.file or ensure_data_dir(settings) / FILE
        log = _log_to(file, audit, audit.max_backups, lost, stack)
        # Also with small files, anonymous events need days to cause a rotation.
        anonymous = min(anonymous, audit.max_size * (audit.max_backups + 1) // 4)
        if anonymous and file.is_file():
            beside = file.with_name(f"{file.stem}-anonymous{file.suffix}")
            over_budget = _log_to(beside, audit, min(audit.max_backups, 1), lost, stack)
    return AuditLog(
        log,
        AuditPolicy(audit.rules),
        commands=audit.commands,
        anonymous_per_day=anonymous,
        over_budget=over_budget,
        dropped=dropped,
        index=_index(audit, not_searchable),
    )


def _index(audit: AuditSettings, dropped: Callable[[str], None]) -> AuditIndex | None:
    if not audit.search.enabled:
        return None
    return AuditIndex(
        AuditPolicy(audit.search.rules),
        commands=audit.commands,
        max_per_minute=audit.search.max_per_minute,
        clock=time.monotonic,
        dropped=dropped,
    )


def _log_to(
    file: Path,
    audit: AuditSettings,
    backups: int,
    lost: Callable[[], None],
    stack: ExitStack | _Callbacks,
) -> LineWriter:
    try:
        stream = RotatingFile(file, max_bytes=audit.max_size, backups=backups)
    except OSError as exc:
        problem = f"can't be written: {system_reason(exc)}; name another file"
        raise ConfigError([Problem(str(file), "audit.file", problem)]) from exc
    stack.callback(stream.close)
    log = LineWriter(stream, lost=lost, failing=partial(_report, str(file)))
    stack.callback(log.close)
    return log


def _report(file: str, error: Exception | None) -> None:
    if error is None:
        _LOG.info("audit events are written again", file=file)
    else:
        why = system_reason(error)
        _LOG.error("audit events are lost: they can't be written", file=file, error=why)


def management_audit_observer(audit_log: AuditLog | None) -> Observer | None:
    """Return an observer that audits requests to the API. None if there is no audit log."""
    if audit_log is None:
        return None

    def observe(request: web.BaseRequest, response: web.StreamResponse, received: float) -> None:
        if request.path.startswith(_AUDITED) and isinstance(request, web.Request):
            access = _access(request, response, received)
            audit_log.completed(access, _notes(request))

    return observe


def _notes(request: web.Request) -> Mapping[str, str]:
    """Return the notes of the endpoint, with the project that the path names."""
    notes = request.get(NOTES, {})
    project = request.get(PROJECT)
    return notes if project is None else {"project": project.id, **notes}


def _access(request: web.Request, response: web.StreamResponse, received: float) -> RequestContext:
    caller, cluster = request.get(CALLER), request.get(CLUSTER) or request.get(ORDER)
    return RequestContext(
        request.get(ADDRESS, ""),
        request.method,
        path_without_query(request.raw_path),
        received,
        request_id=request.get(REQUEST_ID, ""),
        user_agent=request.headers.get("User-Agent", ""),
        target=request.raw_path.partition("#")[0],
        info=request_info(request.method, request.raw_path),
        token=caller.authenticated if caller is not None else None,
        cluster=cluster.name if cluster is not None else "",
        cluster_id=cluster.id if cluster is not None else "",
        status=response.status,
        trace_id=request.get(TRACE_ID, ""),
    )
