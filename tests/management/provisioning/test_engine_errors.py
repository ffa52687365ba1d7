"""What failed requests to the engine mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from management.kubernetes.errors import ApiUnreachable, ClusterApiError, ClusterHeld
from management.kubernetes.responses import response_error
from management.provisioning.engine_errors import LAST_PAUSE, failure_of, pause_seconds

SENTENCE = "spec.topology.version: Invalid value: latest: version must be a valid semantic version"
WEBHOOK = 'failed calling webhook "x": Post "https://127.0.0.1:21710/mutate": connection refused'


def error(status: int, message: str = "") -> ClusterApiError:
    body = b'{"kind":"Status","message":"%s"}' % message.replace('"', '\\"').encode()
    return response_error("https://10.0.0.1:6443", "PATCH", "/apis/x", status, body)


@pytest.mark.parametrize(
    ("status", "message", "outcome", "kind"),
    [
        (400, SENTENCE, "refused", "refused"),
        (403, SENTENCE, "refused", "refused"),
        (422, SENTENCE, "refused", "refused"),
        (409, "uid mismatch", "foreign", "conflict"),
        (401, "", "away", "unauthorized"),
        (404, "not found", "away", "absent"),
        (429, "", "away", "throttled"),
        (500, WEBHOOK, "away", "webhook"),
        (500, "boom", "away", "server"),
        (503, "", "away", "server"),
    ],
)
def test_response_has_an_outcome_by_its_status(
    status: int, message: str, outcome: str, kind: str
) -> None:
    found = failure_of(error(status, message))
    assert (found.outcome, found.kind) == (outcome, kind)


def test_refusal_keeps_the_engines_words() -> None:
    assert failure_of(error(422, SENTENCE)).message == SENTENCE


def test_engine_without_a_response_is_away() -> None:
    assert failure_of(ApiUnreachable("https://10.0.0.1:6443: can't connect")).kind == "unreachable"
    assert failure_of(ClusterHeld()).kind == "held"


@given(st.integers(400, 599), st.text(max_size=40))
def test_absence_of_the_engine_shows_no_address(status: int, message: str) -> None:
    found = failure_of(error(status, WEBHOOK if status == 500 else ""))
    assert found.message
    if found.outcome == "away":
        assert "https://" not in found.message


@given(st.floats(0, 1e6))
def test_pauses_grow_with_the_outage(seconds: float) -> None:
    assert 1.0 <= pause_seconds(seconds) <= LAST_PAUSE
    assert pause_seconds(seconds) <= max(1.0, seconds / 4)
