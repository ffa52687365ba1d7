"""Variables of ordered clusters, shown and changed from the command line, with the real engine."""

from typing import Any

import pytest

from tests.e2e.ordering import ORDER
from tests.e2e.ordering import world as world
from tests.proxy.cli.verbs.conftest import CommandLine, World
from tests.proxy.cli.verbs.conftest import alice as alice
from tests.proxy.cli.verbs.conftest import bob as bob
from tests.support.capi.management_cluster import DELETION_SECONDS, ManagementCluster
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(900)

CONFIGURE = ("cluster", "configure", "tuned")


def engine_variables(management: ManagementCluster) -> dict[str, Any]:
    """Return the variables that the engine has."""
    found = management.cluster("tuned") or {}
    listed = found.get("spec", {}).get("topology", {}).get("variables", [])
    return {one["name"]: one["value"] for one in listed}


def test_variables_are_shown_changed_and_left_to_the_class_again(
    world: World, alice: CommandLine, bob: CommandLine, management_cluster: ManagementCluster
) -> None:
    order = ("cluster", "provision", "tuned", *ORDER, "--workers", "1", "--set", "delay=1")
    alice.run(*order, "--wait")

    def shown(name: str) -> tuple[Any, bool]:
        [one] = [one for one in alice.json("cluster", "variables", "tuned") if one["name"] == name]
        return one["value"], one["ordered"]

    assert shown("machineSize") == ("small", False)
    assert shown("delay") == (1, True)
    assert "small | large" in alice.run("cluster", "variables", "tuned").stdout

    checked = alice.run(*CONFIGURE, "--set", "machineSize=large", "--dry-run").stdout
    assert "would have machineSize set (dry run)" in checked
    assert "large" not in checked
    assert shown("machineSize") == ("small", False)
    assert "must be one of small, large" in alice.fails(*CONFIGURE, "--set", "machineSize=huge")
    assert "did you mean machineSize" in alice.fails(*CONFIGURE, "--set", "machinSize=x", code=2)
    assert engine_variables(management_cluster)["machineSize"] == "small"

    done = alice.run(*CONFIGURE, "--set", "machineSize=large", "--wait")
    assert "updating" in done.stderr
    assert "ready" in done.stderr.splitlines()[-1]
    assert "has machineSize set" in done.stdout
    assert shown("machineSize") == ("large", True)
    assert engine_variables(management_cluster)["machineSize"] == "large"
    again = alice.run(*CONFIGURE, "--set", "machineSize=large").stdout
    assert "has these variables already" in again

    alice.run(*CONFIGURE, "--unset", "machineSize", "--wait")
    assert shown("machineSize") == ("small", False)
    wait_until(
        lambda: engine_variables(management_cluster)["machineSize"] == "small",
        what=lambda: str(engine_variables(management_cluster)),
    )
    assert 'no cluster "tuned"' in bob.fails("cluster", "variables", "tuned")
    alice.run("cluster", "remove", "tuned", "--infrastructure", "delete", "--yes")
    wait_until(lambda: alice.json("clusters") == [], DELETION_SECONDS, "the deletion of tuned")
