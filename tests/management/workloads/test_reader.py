"""Lists of workloads from clusters that refuse, forget, or flood."""

import pytest
from aiohttp import web

from management.caller_client.errors import RequestRefused
from management.workloads.kinds import DEPLOYMENT, JOB, POD
from management.workloads.places import MAX_NAMESPACES, Scope, gaps_json
from management.workloads.reader import Collected, collect
from tests.support.scripted_gate import ALICE, Script, listed, scripted_gate, status

EVERYWHERE = Scope((DEPLOYMENT, JOB, POD), None, frozenset())


async def collected(script: Script, scope: Scope = EVERYWHERE) -> Collected:
    async with scripted_gate(script) as (gate, _), gate.client("prod", ALICE) as client:
        return await collect(client, scope)


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
    assert (asked, len(found.rows)) == (25, 5_000)
    assert [gap.reason for gap in found.gaps] == ["TooMany"]


async def test_huge_object_is_a_gap() -> None:
    async def script(request: web.BaseRequest) -> web.StreamResponse:
        if request.path.endswith("/pods"):
            return listed(["p"], status={"message": "x" * 9_000_000})
        return listed([])

    found = await collected(script)
    assert [(gap.place.kind, gap.reason) for gap in found.gaps] == [(POD, "TooMany")]


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
            return listed(["a"])
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
