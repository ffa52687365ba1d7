"""Lines of the access log."""

import io
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from impersonation.identity import Subject
from proxy.logs.access_log import AccessLog
from proxy.logs.line_writer import LineWriter
from proxy.request.context import RequestContext
from tests.proxy.request_contexts import authenticated_token, request_context


def line(of: RequestContext) -> dict[str, Any]:
    stream = io.StringIO()
    log = LineWriter(stream)
    AccessLog(log, "json").record(of)
    log.close()
    [only] = stream.getvalue().splitlines()
    parsed: dict[str, Any] = json.loads(only)
    return parsed


def test_line_contains_user_request_and_response() -> None:
    of = request_context(
        "GET", "/api/v1/namespaces/shop/pods?limit=1", impersonated=Subject("bob"), bytes_sent=42
    )
    of.reason = "a note"
    assert line(of) == {
        "timestamp": "2023-11-14T22:13:20.750000Z",
        "event": "request",
        "request_id": "request-1",
        "client_ip": "192.0.2.7",
        "method": "GET",
        "path": "/k8s/clusters/prod/api/v1/namespaces/shop/pods",
        "status": 200,
        "duration_seconds": 0.25,
        "bytes_sent": 42,
        "cluster": "prod",
        "verb": "list",
        "user": "u-1",
        "impersonated_user": "bob",
        "reason": "a note",
    }


def test_line_omits_unknown_fields() -> None:
    seen = line(request_context(token=None, cluster="", status=401))
    assert not {"user", "cluster", "impersonated_user", "reason"} & seen.keys()


@given(st.text(), st.text(), st.text())
def test_line_with_any_text_is_one_line_of_json(path: str, note: str, impersonated: str) -> None:
    of = request_context(
        token=authenticated_token(), reason=note, impersonated=Subject(impersonated)
    )
    of.path = path
    seen = line(of)
    assert seen["path"] == path
    assert seen.get("reason", "") == note
    assert seen.get("impersonated_user", "") == impersonated
