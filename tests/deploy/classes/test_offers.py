"""Sekisho offers the shipped classes with all that they declare, and checks orders of them."""

from typing import Any

import pytest

from management.provisioning.classes import InvalidOrder, PoolKind, check_wanted, cluster_class
from store.order_records import Pool, WantedCluster
from tests.deploy.classes.full_orders import ORDERS
from tests.deploy.classes.shipped import CLASSES, class_of, variables_of

KINDS: dict[str, PoolKind] = {"gke": "machinepool", "aks": "machinepool"}


def wanted(name: str, **values: Any) -> WantedCluster:
    """Return the order with all variables, with some other values."""
    order = ORDERS[name]
    pool = Pool("workers", "default-worker", 2, KINDS.get(name, "deployment"))
    variables = order.variables | values
    return WantedCluster(name, order.version, pools=(pool,), variables=variables)


@pytest.mark.parametrize("name", CLASSES)
def test_class_is_offered_with_its_variables_and_workers(name: str) -> None:
    offered = cluster_class(class_of(name))
    assert [(one.name, one.kind) for one in offered.workers] == [
        ("default-worker", KINDS.get(name, "deployment"))
    ]
    assert {one.name: (one.required, one.schema) for one in offered.variables} == {
        variable: (one["required"], one["schema"]["openAPIV3Schema"])
        for variable, one in variables_of(name).items()
    }


@pytest.mark.parametrize("name", CLASSES)
def test_order_with_all_variables_is_valid(name: str) -> None:
    check_wanted(wanted(name), cluster_class(class_of(name)))


@pytest.mark.parametrize("name", CLASSES)
def test_order_with_a_value_of_another_type_names_the_variable(name: str) -> None:
    for variable in variables_of(name):
        with pytest.raises(InvalidOrder, match=rf"^variables\.{variable}: must be of type"):
            check_wanted(wanted(name, **{variable: None}), cluster_class(class_of(name)))
