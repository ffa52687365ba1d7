"""What applying a manifest reports if the cluster changes or fails in between."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from aiohttp import web

from management.workload_changes.apply import ManifestApplication, ManifestResult
from management.workload_changes.manifest import read_manifest
from tests.management.workload_changes.manifests import CONFIG_MAP, a_manifest
from tests.support.scripted_gate import ALICE, scripted_gate, status

Response = tuple[int, str, dict[str, str]]
"""Status, resource version, and data of a ConfigMap."""


class Cluster:
    """Answers reads, tries, and writes from lists; the last answer is repeated."""

    def __init__(
        self,
        reads: Sequence[Response],
        tries: Sequence[Response],
        writes: Sequence[Response] = (),
    ) -> None:
        self.answers = {"read": list(reads), "try": list(tries), "write": list(writes)}
        self.received: list[str] = []

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        kind = "read" if request.method == "GET" else "write"
        if "dryRun=All" in request.raw_path:
            kind = "try"
        assert "force=true" not in request.raw_path
        self.received.append(kind)
        answers = self.answers[kind]
        code, version, data = answers.pop(0) if len(answers) > 1 else answers[0]
        if code != 200:
            return status(code, "refused")
        metadata = {"name": "a", "namespace": "shop", "resourceVersion": version}
        found: dict[str, Any] = {"kind": "ConfigMap", "metadata": metadata, "data": data}
        return web.Response(text=json.dumps(found), content_type="application/json")


async def applied(cluster: Cluster, *names: str, dry_run: bool = False) -> ManifestResult:
    objects = read_manifest("---\n".join(a_manifest(CONFIG_MAP, name=name) for name in names))
    async with scripted_gate(cluster) as (gate, _), gate.client("prod", ALICE) as client:
        return await ManifestApplication(client, objects).run(dry_run=dry_run)


def actions(result: ManifestResult) -> list[str]:
    return [one.action.value for one in result.results]


OLD, NEW = {"port": "79"}, {"port": "80"}


async def test_change_of_another_client_is_no_part_of_the_difference() -> None:
    others = {**OLD, "other": "1"}
    reads = [(200, "1", OLD), (200, "2", others)]
    cluster = Cluster(reads, [(200, "2", {**others, **NEW})])
    result = await applied(cluster, "a", dry_run=True)
    assert [one.field for one in result.results[0].changes.items] == [".data.port"]
    assert cluster.received == ["read", "try", "read", "try"]


async def test_object_that_changes_all_the_time_is_read_a_limited_number_of_times() -> None:
    cluster = Cluster([(200, "1", OLD)], [(200, "2", NEW)])
    assert actions(await applied(cluster, "a", dry_run=True)) == ["change"]
    assert cluster.received == ["read", "try"] * 3


async def test_every_object_is_tried_before_the_first_write() -> None:
    cluster = Cluster([(404, "", {})], [(200, "", NEW)], [(200, "1", NEW)])
    assert actions(await applied(cluster, "a", "b")) == ["create", "create"]
    assert cluster.received == ["read", "try", "read", "try", "write", "write"]


async def test_refused_try_leaves_all_objects_alone() -> None:
    cluster = Cluster([(404, "", {})], [(200, "", NEW), (403, "", {})])
    result = await applied(cluster, "a", "b")
    assert (actions(result), result.written) == (["not_applied", "refused"], 0)
    assert "write" not in cluster.received


@pytest.mark.parametrize(("code", "action"), [(409, "refused"), (503, "unknown")])
async def test_refused_write_keeps_what_was_written_and_ends(code: int, action: str) -> None:
    writes = [(200, "1", NEW), (code, "", {})]
    cluster = Cluster([(200, "1", OLD)], [(200, "1", NEW)], writes)
    result = await applied(cluster, "a", "b", "c")
    assert (actions(result), result.written) == (["change", action, "not_applied"], 1)


@pytest.mark.parametrize("code", [401, 429, 503])
async def test_refusal_that_concerns_all_objects_is_not_repeated(code: int) -> None:
    cluster = Cluster([(code, "", {})], [])
    assert actions(await applied(cluster, "a", "b")) == ["refused", "not_applied"]
    assert cluster.received == ["read"]
