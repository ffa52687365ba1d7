"""What of an order's record changes by what is seen."""

from dataclasses import replace

from management.provisioning.engine import REVISION
from management.provisioning.engine_errors import ForeignCluster
from management.provisioning.engine_view import EngineState
from management.provisioning.follower import Follower
from management.provisioning.observation import facts_of, machine_counts, observation
from management.provisioning.observed import observed_cluster, observed_machine, observed_pool
from management.provisioning.states import Facts, judge
from tests.management.provisioning.things import NOW, UID, a_cluster, a_machine, a_pool, an_order

FACTS = Facts(
    observed_cluster(a_cluster()),
    [observed_pool(a_pool(2, 1))],
    [
        observed_machine(a_machine("one")),
        observed_machine(a_machine("two", status={"conditions": []})),
    ],
)


def test_observation_that_is_stored_already_is_empty() -> None:
    order = an_order()
    seen = observation(order, FACTS, judge(order, FACTS, NOW), NOW)
    assert seen["state"] == "provisioning"
    assert (seen["ready_machines"], seen["machines"]) == (1, 2)
    stored = replace(order, **seen)
    assert observation(stored, FACTS, judge(stored, FACTS, NOW), NOW) == {}


def test_pool_without_machine_objects_counts_its_replicas() -> None:
    """MachinePools of managed clouds have none."""
    assert machine_counts(Facts(None, [observed_pool(a_pool(4, 3))])) == (3, 3)
    managed = a_pool(4, 3, status={"replicas": 4, "readyReplicas": 3})
    assert machine_counts(Facts(None, [observed_pool(managed)])) == (3, 4)


def test_engine_that_is_away_is_said_once_and_taken_back() -> None:
    order = an_order()
    seen = observation(order, Facts(away="the engine does not respond"), None, NOW)
    assert seen == {"engine_away_since": NOW}
    away = replace(order, **seen)
    assert observation(away, Facts(away="still"), None, NOW) == {}
    assert observation(away, Facts(), None, NOW) == {"engine_away_since": None}


def test_cluster_that_is_back_is_not_foreign_any_longer() -> None:
    """The management cluster was restored from a backup, and from a newer one afterwards."""
    order, follower = an_order(engine_uid=UID, imported_at=NOW), Follower()
    follower.failed("vanished", ForeignCluster("it was moved"), 1, 1.0)
    assert facts_of(order, follower, EngineState(), "").taken == "it was moved"
    back = a_cluster(metadata={"annotations": {REVISION: "1"}})
    there = EngineState({"three": observed_cluster(back)})
    assert facts_of(order, follower, there, "").taken == ""
    other = a_cluster(metadata={"uid": "another"})
    assert (
        "uid has changed"
        in facts_of(order, Follower(), EngineState({"three": observed_cluster(other)}), "").taken
    )
    outdated = EngineState({"three": observed_cluster(a_cluster())})
    assert facts_of(order, follower, outdated, "").taken == "it was moved"
