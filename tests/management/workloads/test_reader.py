"""Lists of workloads from clusters that refuse, forget, or flood."""

import tracemalloc
from typing import Any

import pytest
from aiohttp import web

from management.caller_client.errors import RequestRefused
from management.workloads.bare_pods import MAX_SINGLE
from management.workloads.kinds import DEPLOYMENT, JOB, POD
from management.workloads.places import MAX_NAMESPACES, Scope, gaps_json
from management.workloads.reader import Collected, collect
from tests.support.scripted_gate import ALICE, Script, listed, scripted_gate, status

EVERYWHERE = Scope((DEPLOYMENT, JOB, POD), None, frozenset())


async def collected(script: Script, scope: Scope = EVERYWHERE) -> Collected:
    async with scripted_gate(script) as (gate, _), gate.client("prod", ALICE) as client:
        return await collect(client, scope)


def an_object(name: str, **more: Any) -> web.Response:
    return web.json_response({"metadata": {"name": name, "uid": f"u-{name}"}, **more})


def names(found: Collected) -> list[str]:
    return sorted(f"{row['kind']} {row['name']}" for row in found.rows)


async def test_kind_that_cannot_be_read_does_not_hide_the_others() -> None:
    async def script(request: web.BaseRequest) -> web.StreamResponse:
        if request.path.endswith("/jobs"):
            return status(403, "jobs are forbidden")
        if request.path.endswith("/pods"):
            return status(404, "the server could not find the requested resource")
        return listed(["a"])

    found = await collected(script)
    assert names(found) == ["deployment a"]
    assert gaps_json(found.gaps) == [
        {"kind": "job", "reason": "Forbidden", "message": "jobs are forbidden", "namespaces": []},
        {
            "kind": "pod",
            "reason": "NotFound",
            "message": "the server could not find the requested resource",
            "namespaces": [],
        },
    ]


async def test_caller_who_may_not_read_the_cluster_reads_the_known_namespaces() -> None:
    asked = []

    async def script(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.path.removeprefix("/k8s/clusters/prod/apis/apps/v1"))
        if "namespaces" not in request.path or "/secret/" in request.path:
            return status(403, "forbidden")
        return listed(["a" if "/shop/" in request.path else "b"])

    known = frozenset({"shop", "bakery", "secret"})
    found = await collected(script, Scope((DEPLOYMENT,), None, known))
    assert asked[0] == "/deployments"
    assert names(found) == ["deployment a", "deployment b"]
    assert [gap["namespaces"] for gap in gaps_json(found.gaps)] == [["secret"]]


async def test_namespaces_that_are_too_many_are_not_all_read() -> None:
    asked = []

    async def script(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.path)
        return status(403, "no") if "namespaces" not in request.path else listed([])

    known = frozenset(f"n-{number}" for number in range(MAX_NAMESPACES + 3))
    found = await collected(script, Scope((DEPLOYMENT,), None, known))
    assert len(asked) == 1 + MAX_NAMESPACES
    assert "3 namespaces are not shown" in found.gaps[0].message


async def test_wanted_namespaces_are_read_one_by_one_or_with_the_cluster() -> None:
    asked = []

    async def script(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.path)
        namespaces = ["n-1", "other"]
        items = [{"metadata": {"name": one, "uid": one, "namespace": one}} for one in namespaces]
        return web.json_response({"metadata": {"resourceVersion": "1"}, "items": items})

    few, many = frozenset({"n-1"}), frozenset(f"n-{number}" for number in range(20))
    assert names(await collected(script, Scope((JOB,), few, frozenset()))) == ["job n-1"]
    assert names(await collected(script, Scope((JOB,), many, frozenset()))) == ["job n-1"]
    assert [one.rpartition("/batch/v1")[2] for one in asked] == ["/namespaces/n-1/jobs", "/jobs"]


async def test_cluster_that_floods_is_read_up_to_a_limit() -> None:
    asked = 0

    async def script(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        return listed([f"p-{asked}-{number}" for number in range(200)], str(asked))

    found = await collected(script, Scope((POD,), None, frozenset()))
    assert (asked, len(found.rows)) == (26, 5_000), "the first page has no small number of pods"
    assert [gap.reason for gap in found.gaps] == ["TooMany"]


async def test_labels_of_a_row_have_the_size_that_kubernetes_allows() -> None:
    async def script(request: web.BaseRequest) -> web.StreamResponse:
        labels = {f"{number}{'k' * 10_000}": "v" * 100_000 for number in range(70)}
        item = {"metadata": {"name": "a", "uid": "a", "labels": labels}}
        return web.json_response({"metadata": {"resourceVersion": "1"}, "items": [item]})

    found = await collected(script, Scope((JOB,), None, frozenset()))
    [row] = found.rows
    assert len(str(row["labels"])) < 64 * (317 + 63 + 10)


async def test_large_pods_are_not_held_while_others_are_read() -> None:
    large = an_object("large", status={"message": "x" * 2_000_000}).body

    async def script(request: web.BaseRequest) -> web.StreamResponse:
        if not request.path.endswith("/pods"):
            return web.Response(body=large, content_type="application/json")
        return listed([f"p-{number}" for number in range(30)])

    tracemalloc.start()
    try:
        found = await collected(script, Scope((POD,), None, frozenset()))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found.rows) == 30
    assert most < 30_000_000


async def test_huge_object_is_a_gap() -> None:
    async def script(request: web.BaseRequest) -> web.StreamResponse:
        if "/pods" in request.path:
            return listed(["p"], status={"message": "x" * 9_000_000})
        return listed([])

    found = await collected(script)
    assert [(gap.place.kind, gap.reason) for gap in found.gaps] == [(POD, "TooMany")]


async def test_only_pods_of_their_own_are_read_as_a_whole() -> None:
    asked = []

    async def script(request: web.BaseRequest) -> web.StreamResponse:
        asked.append((request.path.rpartition("/pods")[2], request.headers["Accept"]))
        if request.path.endswith("/gone"):
            return status(404, "not found")
        if not request.path.endswith("/pods"):
            return an_object(request.path.rpartition("/")[2], status={"phase": "Running"})
        owner = {"kind": "ReplicaSet", "name": "web", "controller": True}
        items = [
            {"metadata": {"namespace": "shop", "name": name, "uid": name, **more}}
            for name, more in (
                ("alone", {}),
                ("gone", {}),
                *((f"web-{number}", {"ownerReferences": [owner]}) for number in range(100)),
            )
        ]
        return web.json_response({"metadata": {"resourceVersion": "7"}, "items": items})

    found = await collected(script, Scope((POD,), None, frozenset()))
    assert names(found) == ["pod alone"]
    assert found.gaps == []
    assert [path for path, _ in asked] == ["", "/alone", "/gone"]
    assert asked[0][1].startswith("application/json;as=PartialObjectMetadataList;")
    assert asked[1][1] == "application/json"


@pytest.mark.parametrize("pods", [3, MAX_SINGLE + 1])
async def test_pods_that_are_many_or_may_only_be_listed_are_read_as_a_list(pods: int) -> None:
    asked = []

    async def script(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.path.rpartition("/pods")[2])
        if not request.path.endswith("/pods"):
            return status(403, "pods may be listed only")
        return listed([f"p-{number}" for number in range(pods)])

    found = await collected(script, Scope((POD,), None, frozenset()))
    assert len(found.rows) == pods
    assert asked == (["", "/p-0", ""] if pods == 3 else ["", ""])


async def test_list_that_the_cluster_forgot_is_read_once_more() -> None:
    forgot = False

    async def script(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal forgot
        if "continue" in request.query and not forgot:
            forgot = True
            return status(410, "too old")
        return listed(["b"]) if "continue" in request.query else listed(["a"], "next")

    found = await collected(script, Scope((JOB,), None, frozenset()))
    assert names(found) == ["job a", "job b"]


async def test_caller_with_one_request_at_a_time_gets_all_kinds() -> None:
    running = 0

    async def script(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal running
        if running:
            return status(429, "too many requests at a time")
        running += 1
        try:
            return listed(["a"]) if request.path.endswith("s") else an_object("a")
        finally:
            running -= 1

    assert len((await collected(script)).rows) == 3


@pytest.mark.parametrize("code", [401, 429, 503])
async def test_what_concerns_every_kind_is_raised(code: int) -> None:
    async def script(request: web.BaseRequest) -> web.StreamResponse:
        return status(code, "no")

    with pytest.raises(RequestRefused) as refused:
        await collected(script)
    assert refused.value.status == code
