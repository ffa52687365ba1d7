"""What is remembered about an order between passes."""

from dataclasses import replace
from datetime import timedelta

import pytest

from management.api.order_visibility import shown_message
from management.errors import InvalidRequest
from management.kubernetes.errors import ApiUnreachable
from management.kubernetes.responses import response_error
from management.provisioning.engine_errors import REFUSES, ForeignCluster
from management.provisioning.engine_view import EngineState
from management.provisioning.follower import (
    INTERNAL,
    STORED_AT_ONCE,
    STORED_SECONDS,
    Follower,
)
from management.provisioning.observation import facts_of
from management.provisioning.states import judge
from management.provisioning.steps import Step
from tests.management.provisioning.things import NOW, an_order

REFUSED = response_error("https://s", "PATCH", "/p", 422, b'{"message": "bad version"}')
AWAY = ApiUnreachable("https://s: can't connect")


def test_failed_step_waits_and_others_do_not() -> None:
    follower = Follower()
    follower.failed("apply", AWAY, 1, 100.0)
    assert not follower.may_run("apply", 1, 100.5)
    assert follower.may_run("apply", 1, 101.0)
    assert follower.may_run("apply", 2, 100.5)
    assert follower.may_run("delete", 1, 100.5)


def test_refused_order_is_sent_again_after_minutes_or_when_it_changes() -> None:
    follower = Follower()
    assert follower.failed("apply", REFUSED, 1, 100.0) == "refused"
    assert follower.refusal == "bad version"
    assert follower.is_refused(1, 300.0)
    assert not follower.is_refused(1, 401.0)
    assert not follower.is_refused(2, 101.0)
    assert follower.may_run("delete", 1, 101.0)
    follower.succeeded("apply", 2, 102.0)
    assert follower.refusal == ""


def test_refused_change_and_failing_import_do_not_end_the_pauses_of_each_other() -> None:
    """An imported cluster is unreachable, and the engine refuses its upgrade."""
    follower, tried = Follower(), {"apply": 0, "import": 0}
    for now in range(600):
        if not follower.is_refused(2, now) and follower.may_run("apply", 2, now):
            tried["apply"] += 1
            follower.failed("apply", REFUSED, 2, now)
        elif follower.may_run("import", 2, now):
            tried["import"] += 1
            follower.failed("import", AWAY, 2, now)
    assert tried["apply"] == 2
    assert tried["import"] < 30


def test_failures_of_each_kind_are_kept_apart() -> None:
    follower = Follower()
    assert follower.failed("import", InvalidRequest("no user"), 1, 1.0) == "sekisho"
    assert follower.import_problem == "no user"
    assert follower.failed("vanished", ForeignCluster("moved"), 1, 2.0) == "foreign"
    assert follower.taken == "moved"
    assert follower.failed("delete", AWAY, 1, 3.0) == "unreachable"
    assert "does not respond" in follower.away
    follower.succeeded("delete", 1, 4.0)
    assert (follower.taken, follower.away) == ("", "")
    follower.failed("delete", ValueError("a password"), 1, 5.0)
    assert follower.away == INTERNAL


@pytest.mark.parametrize("step", ["import", "delete", "forget", "vanished", "release"])
@pytest.mark.parametrize("status", [403, 409, 422])
def test_words_of_a_refusal_are_marked_so_that_readers_do_not_get_them(
    step: Step, status: int
) -> None:
    follower = Follower()
    error = response_error("https://s", "DELETE", "/p", status, b'{"message": "size s3cret"}')
    follower.failed(step, error, 1, 1.0)
    known = facts_of(an_order(), follower, EngineState(), "")
    for deleting_since in (None, NOW):
        order = an_order(deleting_since=deleting_since)
        seen = replace(order, message=judge(order, known, NOW).message)
        for shown in (seen, replace(seen, message=follower.import_problem or "")):
            assert "s3cret" not in shown_message(shown, ["cluster.read", "nodes.read"])
            assert shown_message(shown, ["cluster.edit"]) == shown.message
    words = (follower.away, follower.taken, follower.import_problem or "")
    assert f"{REFUSES}size s3cret" in words


def test_order_that_is_attached_to_another_cluster_forgets_the_former_one() -> None:
    follower = Follower()
    follower.meet("uid-1")
    follower.failed("vanished", ForeignCluster("it was moved"), 1, 100.0)
    follower.meet("uid-1")
    assert follower.taken == "it was moved"
    follower.meet("uid-2")
    assert follower.taken == ""
    assert follower.may_run("vanished", 1, 100.1)


def test_observations_without_end_are_stored_at_a_bounded_rate() -> None:
    follower = Follower()
    times = [1000.0 + n / 10 for n in range(600)]
    stored = [one for one in times if follower.may_store(one)]
    assert stored[:STORED_AT_ONCE] == times[:STORED_AT_ONCE]
    assert len(stored) <= STORED_AT_ONCE + 60 / STORED_SECONDS
    assert all(follower.may_store(2000.0) for _ in range(STORED_AT_ONCE))


def test_cluster_that_rejects_sekisho_is_imported_again_and_not_twice_at_once() -> None:
    follower = Follower()
    since = NOW.isoformat()
    rejected = {"type": "Authenticated", "status": "False", "since": since}
    follower.read_status({"conditions": [rejected]})
    assert not follower.wants_import(NOW + timedelta(seconds=19))
    assert follower.wants_import(NOW + timedelta(seconds=20))
    follower.succeeded("import", 1, 100.0)
    assert not follower.wants_import(NOW + timedelta(seconds=60))
    assert not follower.may_run("import", 1, 159.0)
    assert follower.may_run("import", 1, 160.0)


def test_status_of_any_form_is_read() -> None:
    follower = Follower()
    for status in ({}, {"conditions": "x"}, {"conditions": [{"type": 1}, None]}):
        follower.read_status(status)
    assert not follower.wants_import(NOW)
