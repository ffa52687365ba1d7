"""Text from callers is truncated in every log, in every part of a request."""

import io
import json
from dataclasses import replace
from typing import Any

import pytest

from impersonation.identity import Subject
from proxy.audit.event import event_line
from proxy.logs.access_log import AccessLog
from proxy.logs.line_writer import LineWriter
from proxy.logs.setup import MAX_VALUE, redact
from proxy.logs.timestamps import rfc3339
from proxy.logs.truncation import cut
from proxy.request.context import RequestContext
from proxy.request.request_info import request_info
from tests.proxy.request_contexts import request_context

LONG = 64 * 1024
MAX_AUTHENTICATED, MAX_ANONYMOUS = 32 * 1024, 16 * 1024
"""Maximum characters of a line; each may be written as an escape of six."""


def _long_in(part: str, *, authenticated: bool) -> RequestContext:
    text = "é" * LONG
    made = request_context("GET", "/api/v1/namespaces/shop/pods/web")
    if not authenticated:
        made = replace(made, token=None, cluster="", cluster_id="")
    if part == "path":
        return replace(made, path=f"/{text}", target=f"/{text}")
    if part == "query":
        return replace(made, target=f"/api?labelSelector={text}")
    if part == "many parameters":
        return replace(made, target="/api?" + "a&" * LONG)
    if part == "name":
        target = f"/api/v1/namespaces/{text}/pods/{text}/{text}"
        return replace(made, target=target, info=request_info("GET", target))
    if part == "agent":
        return replace(made, user_agent=text)
    if part == "note":
        return replace(made, reason=f'cluster "{text}" not found', rejected=True)
    impersonated = Subject(text, uid=text, groups=(text,) * 1000, extra={text: (text,) * 1000})
    return replace(made, impersonated=impersonated)


PARTS = ["path", "query", "many parameters", "name", "agent", "note", "impersonated"]


@pytest.mark.parametrize("authenticated", [True, False], ids=["authenticated", "anonymous"])
@pytest.mark.parametrize("part", PARTS)
def test_audit_event_with_long_text_is_bounded(part: str, authenticated: bool) -> None:
    made = _long_in(part, authenticated=authenticated)
    notes = {"provider": "x" * LONG}
    line = event_line(made, "ResponseComplete", now=rfc3339(1.0), commands=True, notes=notes)
    limit = MAX_AUTHENTICATED if authenticated else MAX_ANONYMOUS
    # The cluster has allowed the impersonation, so the caller is authenticated.
    assert len(line) < (limit if part != "impersonated" else 512 * 1024)
    assert "[cut: " in json.loads(line)["annotations"]["sekisho.io/provider"]


@pytest.mark.parametrize("style", ["json", "console"])
@pytest.mark.parametrize("part", PARTS)
def test_access_log_line_with_long_text_is_bounded(part: str, style: Any) -> None:
    stream = io.StringIO()
    log = LineWriter(stream)
    AccessLog(log, style).record(_long_in(part, authenticated=True))
    log.close()
    assert len(stream.getvalue()) < MAX_AUTHENTICATED


def test_cut_appends_the_length_of_a_long_text_and_keeps_a_short_one() -> None:
    assert cut("abc", 3) == "abc"
    assert cut("abcd", 3) == "abc…[cut: 4 characters]"


def test_redact_cuts_values_but_not_tracebacks() -> None:
    redacted = redact(None, "", {"path": "x" * LONG, "exception": "y" * LONG})
    assert len(redacted["path"]) < MAX_VALUE + 50
    assert len(redacted["exception"]) == LONG


def test_audit_event_with_a_cut_target_contains_no_secret() -> None:
    made = replace(request_context("GET", "/api"), target="/api?token=" + "s" * LONG)
    assert "sss" not in event_line(made, "ResponseComplete", now=rfc3339(1.0), commands=False)
