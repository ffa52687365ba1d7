"""What of an order's record changes by what is seen."""

from dataclasses import replace

from management.provisioning.observation import machine_counts, observation
from management.provisioning.observed import observed_cluster, observed_machine, observed_pool
from management.provisioning.states import Facts, judge
from tests.management.provisioning.things import NOW, a_cluster, a_machine, a_pool, an_order

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
