"""``sekisho cluster events``, ``usage``, and ``deprecations``."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from proxy.cli.admin.database import offline_store
from store.records import ClusterReport, ClusterStatus
from tests.proxy.cli.commands_on_pipes import CommandOnPipes
from tests.proxy.cli.verbs.conftest import CommandLine, World
from tests.store.records import NOW
from tests.support.sekisho import running


def event(name: str, **fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": f"shop/{name}",
        "type": "Warning",
        "reason": "Failed",
        "kind": "Pod",
    }
    found |= {"namespace": "shop", "name": "web", "message": "no such image", "count": 3}
    return {**found, "last_at": NOW.isoformat(), **fields}


EVENTS = [
    event("a"),
    event("b", namespace="bakery", reason="BackOff"),
    event("c", type="Normal", reason="Pulled"),
]
USAGE = {
    "read_at": NOW.isoformat(),
    "nodes": [{"name": "n1", "cpu": "250m", "memory": "1Gi"}],
    "namespaces": [{"name": "shop", "cpu": "10m", "memory": "9Mi", "pods": 2}],
}
PROBLEM = {
    "type": "NamespaceUsageRead",
    "status": "False",
    "reason": "MissingRight",
    "message": "Sekisho may not list pods",
    "since": NOW.isoformat(),
}


def api(resource: str, removed: str) -> dict[str, Any]:
    names = {"group": "x.org", "version": "v1beta1", "resource": resource, "subresource": ""}
    return {**names, "removed_release": removed, "seen_at": NOW.isoformat()}


@pytest.fixture(scope="module")
def world(prepared_world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server without controllers, which has reports of prod and none of test."""
    server = prepared_world.server.copied_to(tmp_path_factory.mktemp("reports") / "server")
    with server.config.open("a") as config:
        config.write("\ncontrollers: {enabled: false}\n")

    async def fill() -> None:
        async with offline_store(str(server.config)) as (_, store):
            prod = await store.clusters.get("prod")
            assert prod is not None
            apis = {"apis": [api("ways", "1.37"), api("means", "1.40")]}
            reports = {"events": {"events": EVENTS}, "usage": USAGE, "deprecations": apis}
            for kind, data in reports.items():
                await store.fleet.put_report(ClusterReport(prod.id, kind, data, NOW))  # type: ignore[arg-type]
            status = {"version": "v1.36.3", "reports": [PROBLEM]}
            await store.fleet.put_status(ClusterStatus(prod.id, status, NOW))

    asyncio.run(fill())
    with running(server):
        yield World(server, server.folder, prepared_world.users)


def test_events_are_warnings_unless_others_are_wanted(alice: CommandLine) -> None:
    words = ("cluster", "events", "prod")
    listed = alice.run(*words)
    assert listed.stdout.split("\n")[0].split() == [
        *("LAST", "TYPE", "REASON", "OBJECT", "COUNT", "MESSAGE")
    ]
    assert "shop/pod/web" in listed.stdout
    assert "Pulled" not in listed.stdout
    names = alice.run(*words, "-o", "name").stdout.split()
    assert sorted(names) == ["event/shop/a", "event/shop/b"]
    assert len(alice.json(*words, "--normal")) == 3
    found = alice.json(*words, "--namespace", "bakery", "--normal")
    assert [one["reason"] for one in found] == ["BackOff"]
    assert alice.run(*words, "--reason", "None").stderr == "Nothing matches.\n"


def test_events_are_watched(alice: CommandLine) -> None:
    with CommandOnPipes(alice, "cluster", "events", "prod", "--watch", "-o", "name") as watcher:
        assert watcher.line().split()[0].startswith("event/shop/")
        assert watcher.interrupt() == 130
    assert "Traceback" not in watcher.errors


def test_usage_has_nodes_namespaces_and_what_was_not_read(alice: CommandLine) -> None:
    shown = alice.run("cluster", "usage", "prod")
    nodes, namespaces = shown.stdout.split("\n\n")
    assert [one.split() for one in nodes.splitlines()] == [
        ["NODE", "CPU", "MEMORY"],
        ["n1", "250m", "1Gi"],
    ]
    assert namespaces.splitlines()[1].split() == ["shop", "10m", "9Mi", "2"]
    assert "MissingRight: Sekisho may not list pods" in shown.stderr
    assert alice.json("cluster", "usage", "prod")["namespaces"] == USAGE["namespaces"]
    names = alice.run("cluster", "usage", "prod", "-o", "name").stdout.split()
    assert names == ["node/n1", "namespace/shop"]


def test_deprecations_name_what_the_next_minor_release_removes(alice: CommandLine) -> None:
    words = ("cluster", "deprecations", "prod")
    rows = [one.split()[:3] for one in alice.run(*words).stdout.splitlines()[1:]]
    assert sorted(rows) == [
        ["means.v1beta1.x.org", "1.40", "no"],
        ["ways.v1beta1.x.org", "1.37", "yes"],
    ]
    found = alice.json(*words, "--removed-next", "true")
    assert [one["resource"] for one in found] == ["ways"]


def test_cluster_without_reports_or_rights_is_explained(
    root: CommandLine, bob: CommandLine
) -> None:
    for words, remedy in (
        (("cluster", "events", "test"), "newest 200 warnings"),
        (("cluster", "usage", "test"), "once a minute"),
        (("cluster", "deprecations", "test"), "No deprecated API"),
    ):
        shown = root.run(*words)
        assert (shown.stdout, remedy in shown.stderr) == ("", True), words
        assert 'no cluster "test"' in bob.fails(*words)
