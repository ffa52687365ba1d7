"""One line a request."""

import io
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from impersonation.identity import Subject
from proxy.access import Access
from proxy.access_log import AccessLog
from proxy.line_log import LineLog
from proxy.timestamps import rfc3339
from tests.proxy.accesses import access, caller


def line(of: Access) -> dict[str, Any]:
    stream = io.StringIO()
    log = LineLog(stream)
    AccessLog(log, "json").record(of, rfc3339(of.received + of.seconds))
    log.close()
    [only] = stream.getvalue().splitlines()
    parsed: dict[str, Any] = json.loads(only)
    return parsed


def test_a_line_says_who_asked_what_and_what_came_of_it() -> None:
    of = access("GET", "/api/v1/namespaces/shop/pods?limit=1", acting_as=Subject("bob"), sent=42)
    of.note = "a note"
    assert line(of) == {
        "timestamp": "2023-11-14T22:13:20.750000Z",
        "event": "request",
        "request_id": "request-1",
        "remote": "192.0.2.7",
        "method": "GET",
        "path": "/k8s/clusters/prod/api/v1/namespaces/shop/pods",
        "code": 200,
        "seconds": 0.25,
        "sent": 42,
        "cluster": "prod",
        "verb": "list",
        "user": "u-1",
        "acting_as": "bob",
        "note": "a note",
    }


def test_what_is_not_known_is_not_there() -> None:
    seen = line(access(resolved=None, cluster="", code=401))
    assert not {"user", "cluster", "acting_as", "note"} & seen.keys()


@given(st.text(), st.text(), st.text())
def test_whatever_is_in_it_it_is_one_line_of_json(path: str, note: str, wish: str) -> None:
    of = access(resolved=caller(), note=note, acting_as=Subject(wish))
    of.path = path
    seen = line(of)
    assert seen["path"] == path
    assert seen.get("note", "") == note
    assert seen.get("acting_as", "") == wish
