"""Orders of the shipped classes, with the engine's own webhooks and topology controller.

No provider runs, so that no machine is made. Everything before that is real: the engine validates
the class, its patches, and the order, and makes the objects that a provider would read.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.deploy.classes.class_cluster import STRICT, ClassCluster
from tests.deploy.classes.full_orders import ORDERS
from tests.deploy.classes.shipped import CLASSES, Object, class_of, example_of, variables_of

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def classes(class_cluster: ClassCluster) -> ClassCluster:
    """Create all classes, and return the management cluster."""
    for name in CLASSES:
        class_cluster.create_class(name)
    return class_cluster


@pytest.fixture(scope="module")
def ordered(classes: ClassCluster) -> ClassCluster:
    """Create the order with all variables of each class, and return the management cluster."""
    classes.create([full_order(name) for name in CLASSES])
    return classes


def full_order(name: str, **variables: Any) -> Object:
    """Return the order with all variables, and a pool of the class's kind."""
    cluster = ORDERS[name].cluster(name, **variables)
    pool = {"class": "default-worker", "name": "workers", "replicas": 2}
    [kind] = class_of(name)["spec"]["workers"]
    cluster["spec"]["topology"]["workers"] = {kind: [pool]}
    return cluster


def differences(found: Any, expected: Any, path: str = "") -> Iterator[str]:
    """Yield where an object lacks what is expected. It may have more fields."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key, value in expected.items():
            yield from differences(found.get(key), value, f"{path}.{key}")
    elif found != expected:
        yield f"{path}: {found!r} instead of {expected!r}"


@pytest.mark.parametrize("name", CLASSES)
def test_example_of_an_order_is_accepted(classes: ClassCluster, name: str) -> None:
    done = classes.kubectl(*STRICT, "-f", example_of(name))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", CLASSES)
def test_order_with_wrong_values_is_refused(classes: ClassCluster, name: str) -> None:
    assert classes.refusal(full_order(name)) == ""
    for variable, value in ORDERS[name].refused.items():
        assert f"spec.topology.variables[{variable}]" in classes.refusal(
            full_order(name, **{variable: value})
        )
    assert "nothing" in classes.refusal(full_order(name, nothing=1))


@pytest.mark.parametrize("name", CLASSES)
def test_order_without_a_required_variable_is_refused(classes: ClassCluster, name: str) -> None:
    for variable, one in variables_of(name).items():
        order = full_order(name)
        topology = order["spec"]["topology"]
        topology["variables"] = [
            given for given in topology["variables"] if given["name"] != variable
        ]
        refusal = classes.refusal(order)
        assert (variable in refusal) == one["required"], refusal


@pytest.mark.parametrize("name", CLASSES)
def test_order_with_all_variables_is_made_as_expected(ordered: ClassCluster, name: str) -> None:
    assert set(ORDERS[name].variables) == set(variables_of(name))
    for kind, expected in ORDERS[name].made.items():
        made = ordered.specs_of(kind, f"full-{name}")
        assert made
        assert [list(differences(one, expected)) for one in made] == [[]] * len(made)


def test_resources_of_an_aks_cluster_are_made_as_expected(ordered: ClassCluster) -> None:
    kinds = ("AzureASOManagedCluster", "AzureASOManagedControlPlane", "AzureASOManagedMachinePool")
    specs = [one for kind in kinds for one in ordered.specs_of(kind, "full-aks")]
    made = [one for spec in specs for one in spec["resources"]]
    assert [ordered.refusal(one) for one in made] == [""] * 3
    group, managed, pool = (one["spec"] for one in made)
    values = ORDERS["aks"].variables
    assert group == {"location": values["location"], "tags": values["tags"]}
    expected = {
        "location": values["location"],
        "sku": {"name": "Base", "tier": values["tier"]},
        "networkProfile": {"podCidr": values["podCidr"], "networkPluginMode": "overlay"},
        "apiServerAccessProfile": {"authorizedIPRanges": values["authorizedNetworks"]},
        "tags": values["tags"],
    }
    assert list(differences(managed, expected)) == []
    expected = {
        "azureName": "workers",
        "vmSize": values["machineType"],
        "osDiskSizeGB": values["diskSizeGb"],
        "availabilityZones": values["zones"],
        "tags": values["tags"],
    }
    assert list(differences(pool, expected)) == []
    pool["vmsize"] = pool.pop("vmSize")
    assert 'unknown field "spec.vmsize"' in ordered.refusal(made[2])
