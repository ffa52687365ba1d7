"""Clusters ordered from the command line, made by the real engine."""

import pytest

from tests.e2e.ordering import ORDER, QUOTA
from tests.e2e.ordering import world as world
from tests.proxy.cli.verbs.conftest import CommandLine, World
from tests.proxy.cli.verbs.conftest import alice as alice
from tests.proxy.cli.verbs.conftest import bob as bob
from tests.proxy.cli.verbs.conftest import root as root
from tests.support.capi.management_cluster import (
    CREATION_SECONDS,
    DELETION_SECONDS,
    ManagementCluster,
    cluster_manifest,
)
from tests.support.capi.standin_kinds import VERSIONS
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(900)


def test_cluster_is_ordered_scaled_upgraded_and_deleted(
    world: World, alice: CommandLine, bob: CommandLine
) -> None:
    classes = alice.run("cluster", "classes").stdout
    assert "standin" in classes
    shown = alice.run("cluster", "classes", "standin").stdout
    assert "small | large" in shown
    checked = alice.run("cluster", "provision", "shop", *ORDER, "--workers", "2", "--dry-run")
    assert "would be ordered" in checked.stdout
    made = alice.run(
        *("cluster", "provision", "shop", *ORDER, "--workers", "2", "--wait"),
        *("--set", "machineSize=large", "--set", "delay=1", "-o", "name"),
    )
    assert made.stdout == "cluster/shop\n"
    assert "ready" in made.stderr.splitlines()[-1]

    def machines() -> list[str]:
        return [one["pool"] for one in alice.json("cluster", "machines", "shop") if one["ready"]]

    wait_until(lambda: len(machines()) >= 2, CREATION_SECONDS, lambda: str(machines()))
    scaled = alice.run("cluster", "scale", "shop", "workers", "1", "--wait")
    assert "updating" in scaled.stderr
    assert "ready" in scaled.stderr.splitlines()[-1]
    assert "pool workers has 1" in scaled.stdout
    assert machines().count("workers") == 1

    def state() -> str:
        found = alice.json("cluster", "show", "shop")["provision"]
        return f"{found['state']} {found['version']}: {found['message']}"

    wait_until(lambda: state().startswith("ready"), CREATION_SECONDS, state)
    assert "version cannot be" in alice.fails("cluster", "upgrade", "shop", "v1.35.0")
    alice.run("cluster", "upgrade", "shop", VERSIONS[1], "--wait")
    assert state().startswith(f"ready {VERSIONS[1]}")
    assert "shop" not in bob.run("clusters").stdout
    alice.run("cluster", "remove", "shop", "--infrastructure", "delete", "--yes")
    wait_until(lambda: alice.json("clusters") == [], DELETION_SECONDS, "the deletion of shop")


def test_refusal_of_the_provider_is_shown_in_its_own_words(
    world: World, alice: CommandLine
) -> None:
    order = ("cluster", "provision", "full", *ORDER, "--workers", "0", "--set", f"fail={QUOTA}")
    assert "full is not ready after 2s: " in alice.fails(*order, "--wait", "--timeout", "2s")
    show = ("cluster", "show", "full")
    wait_until(lambda: QUOTA in alice.run(*show).stdout, CREATION_SECONDS, "the refusal")
    failed = alice.fails("cluster", "wait", "full", "--timeout", "2s")
    assert f"full is not ready after 2s: provisioning: {QUOTA}" in failed
    alice.run("cluster", "remove", "full", "--infrastructure", "delete", "--yes")
    wait_until(lambda: alice.json("clusters") == [], DELETION_SECONDS, "the deletion of full")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--class", "nope", "--version", "v1.36.3"), 'no class "nope"'),
        (("--class", "standin", "--version", "latest"), "version of Kubernetes, such as"),
        ((*ORDER, "--set", "machineSize=huge"), "must be one of small, large"),
        ((*ORDER, "--set", "machinSize=large"), "did you mean machineSize"),
        ((*ORDER, "--set", "delay=soon"), "delay must be a whole number"),
        ((*ORDER, "--pool", "a=1:huge"), "must be a class of workers of standin: default, large"),
        ((*ORDER, "--pool", "a=9999"), "workers"),
    ],
)
def test_wrong_order_is_refused_with_one_line_and_nothing_is_made(
    alice: CommandLine, words: tuple[str, ...], sentence: str
) -> None:
    sizes = () if "--pool" in words else ("--workers", "1")
    wrong_usage = "--set" in words and "must be one of" not in sentence
    failed = alice.fails(
        *("cluster", "provision", "wrong", *words, *sizes), code=2 if wrong_usage else 1
    )
    assert sentence in failed
    assert alice.json("clusters") == []


def test_user_without_the_permission_cannot_order(bob: CommandLine) -> None:
    failed = bob.fails("cluster", "provision", "shop", *ORDER, "--workers", "1")
    assert "clusters." in failed


def test_management_cluster_is_shown_changed_and_kept_while_it_has_orders(
    world: World, root: CommandLine, alice: CommandLine
) -> None:
    management = ("cluster", "management")
    assert "all in the namespace" in root.run(*management, "show", "mgmt").stdout
    allowed = ("--class", "standin=provisioner", "--class-limit", "standin=1")
    root.run(*management, "enable", "mgmt", *allowed, "--workers-per-cluster", "2")
    shown = root.json(*management, "show", "mgmt")
    assert shown["limits"]["workers_per_cluster"] == 2
    assert "standin=provisioner (at most 1)" in root.run(*management, "show", "mgmt").stdout
    alice.run("cluster", "provision", "held", *ORDER, "--workers", "0", "--set", f"fail={QUOTA}")
    assert "orders" in root.fails(*management, "disable", "mgmt", "--yes")
    again = ("cluster", "provision", "more", *ORDER, "--workers", "0")
    assert "sekisho: error" in alice.fails(*again)
    root.run(*management, "enable", "mgmt", "--all-classes")
    assert root.json(*management, "show", "mgmt")["limits"]["workers_per_cluster"] == 2
    alice.run("cluster", "remove", "held", "--infrastructure", "delete", "--yes")
    wait_until(lambda: alice.json("clusters") == [], DELETION_SECONDS, "the deletion of held")


def test_cluster_that_others_made_is_adopted_and_never_changed(
    world: World, root: CommandLine, management_cluster: ManagementCluster
) -> None:
    management_cluster.apply([cluster_manifest("theirs")])
    adopt = ("cluster", "adopt", "found", "--management", "mgmt", "--cluster")
    assert 'no Cluster "nope"' in root.fails(*adopt, "nope")
    root.run(*adopt, "theirs", "--wait")
    assert "change it where it was made" in root.fails("cluster", "upgrade", "found", VERSIONS[1])
    root.run("cluster", "remove", "found", "--yes")
    assert management_cluster.cluster("theirs") is not None
