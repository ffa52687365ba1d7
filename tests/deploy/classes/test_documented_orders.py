"""The documented orders of the shipped classes, by the command line, a server, and the engine.

No provider runs: a cluster stays in the state provisioning, and its deletion ends at once.
"""

from collections.abc import Iterator

import pytest

from tests.deploy.classes.class_cluster import NAMESPACE, SECONDS, ClassCluster
from tests.deploy.classes.shipped import CLASSES, order_command, variables_of
from tests.e2e.ordering import world as world
from tests.proxy.cli.verbs.conftest import CommandLine, World
from tests.proxy.cli.verbs.conftest import alice as alice
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module", autouse=True)
def enabled(world: World, class_cluster: ClassCluster) -> Iterator[None]:
    """Have clusters ordered from the shipped classes, and not from the stand-in."""
    for name in CLASSES:
        class_cluster.create_class(name)
    root = world.of("root")
    root.run("cluster", "management", "enable", "mgmt", "--namespace", NAMESPACE)
    yield
    root.run("cluster", "management", "disable", "mgmt", "--yes")


@pytest.mark.parametrize("name", CLASSES)
def test_documented_order_is_accepted_by_the_engine(alice: CommandLine, name: str) -> None:
    [_, *words] = order_command(name)
    done = alice.run(*words, "--dry-run")
    assert f"cluster {words[2]} would be ordered" in done.stdout
    assert alice.json("clusters") == []


@pytest.mark.parametrize("name", CLASSES)
def test_class_is_shown_with_its_variables(alice: CommandLine, name: str) -> None:
    shown = alice.run("cluster", "classes", name).stdout
    assert "default-worker" in shown
    assert [one for one in variables_of(name) if one not in shown] == []


def test_wrong_value_is_refused_with_the_engines_own_sentence(alice: CommandLine) -> None:
    [_, *words] = order_command("gke")
    refused = alice.fails(*words, "--set", "region=Frankfurt", "--dry-run")
    assert "spec.topology.variables[region]" in refused


def test_order_is_followed_and_deleted(alice: CommandLine, class_cluster: ClassCluster) -> None:
    [_, *words] = order_command("gke")
    alice.run(*words)

    def state() -> str:
        return str(alice.json("cluster", "show", "shop")["provision"]["state"])

    wait_until(lambda: state() == "provisioning", SECONDS, state)
    [made] = class_cluster.specs_of("GCPManagedControlPlane", "shop")
    assert (made["project"], made["version"]) == ("shop-production", "v1.33.5")
    alice.run("cluster", "scale", "shop", "workers", "6")
    alice.run("cluster", "remove", "shop", "--infrastructure", "delete", "--yes")
    wait_until(lambda: alice.json("clusters") == [], SECONDS, "the deletion of shop")
    assert class_cluster.specs_of("GCPManagedControlPlane", "shop") == []
