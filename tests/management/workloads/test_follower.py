"""Workloads that are followed: watches that end, are refused, or are too many."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from management.workloads.follower import MAX_WATCHES, Follower, following
from management.workloads.kinds import DEPLOYMENT, JOB
from management.workloads.places import Scope
from management.workloads.reader import MAX_ROWS
from tests.support.scripted_gate import ALICE, Script, lines, listed, scripted_gate, status
from tests.support.waiting import eventually

JOBS = Scope((JOB,), None, frozenset())


class Cluster:
    """A cluster of jobs, whose watches send what is put into ``events``."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)
        self.events: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.lists = self.watches = self.watching = 0
        self.refusal: web.Response | None = None

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        if self.refusal is not None:
            return status(self.refusal.status, "refused")
        if "watch" not in request.query:
            self.lists += 1
            return listed(self.names)
        self.watches += 1
        self.watching += 1
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while (event := await self.events.get()) is not None:
                await response.write(lines(event))
        finally:
            self.watching -= 1
        return response

    def send(self, kind: str, name: str) -> None:
        metadata = {"name": name, "uid": f"u-{name}", "resourceVersion": "8"}
        self.events.put_nowait({"type": kind, "object": {"metadata": metadata}})


@asynccontextmanager
async def followed_jobs(cluster: Cluster) -> AsyncIterator[Follower]:
    """Follow the cluster's jobs as alice; they have been read once."""
    async with (
        scripted_gate(cluster) as (gate, _),
        gate.client("prod", ALICE) as client,
        following(client, JOBS) as follower,
    ):
        await follower.ready.wait()
        yield follower


def names(follower: Follower) -> list[str]:
    return sorted(row["name"] for row in follower.rows)


async def test_rows_follow_the_events_and_tasks_end() -> None:
    cluster = Cluster("a")
    async with scripted_gate(cluster) as (gate, in_process):
        async with gate.client("prod", ALICE) as client, following(client, JOBS) as follower:
            await follower.ready.wait()
            assert names(follower) == ["a"]
            cluster.send("ADDED", "b")
            await eventually(lambda: names(follower) == ["a", "b"])
            cluster.send("DELETED", "a")
            await eventually(lambda: names(follower) == ["b"])
            assert (cluster.lists, cluster.watches) == (1, 1)
        await eventually(lambda: cluster.watching == 0 and in_process.connections == 0)


async def test_watch_that_ends_is_opened_again_and_a_forgotten_version_is_listed_again() -> None:
    cluster = Cluster("a")
    async with followed_jobs(cluster) as follower:
        cluster.events.put_nowait(None)
        await eventually(lambda: cluster.watches == 2)
        assert cluster.lists == 1
        cluster.names = ["c"]
        error = {"code": 410, "message": "too old"}
        cluster.events.put_nowait({"type": "ERROR", "object": error})
        await eventually(lambda: names(follower) == ["c"])
        assert cluster.lists == 2


async def test_access_that_ends_ends_the_follower() -> None:
    cluster = Cluster("a")
    async with followed_jobs(cluster) as follower:
        cluster.refusal = status(401, "revoked")
        cluster.events.put_nowait(None)
        await eventually(lambda: follower.ended is not None)
        assert follower.changed.is_set()


async def test_permission_that_ends_removes_the_rows() -> None:
    cluster = Cluster("a")
    async with followed_jobs(cluster) as follower:
        cluster.refusal = status(403, "forbidden")
        cluster.events.put_nowait(None)
        await eventually(lambda: not follower.rows)
        assert [gap.reason for gap in follower.gaps] == ["Forbidden"]


async def test_cluster_that_fails_for_a_moment_keeps_its_rows() -> None:
    cluster = Cluster("a")
    async with followed_jobs(cluster) as follower:
        cluster.refusal = status(503, "no")
        cluster.events.put_nowait(None)
        await eventually(lambda: bool(follower.failures))
        assert names(follower) == ["a"]
        cluster.refusal = None
        await eventually(lambda: not follower.failures and cluster.watching == 1)


async def test_namespaces_are_followed_if_the_cluster_may_not_be_and_watches_are_limited() -> None:
    cluster = Cluster("a")

    async def script(request: web.BaseRequest) -> web.StreamResponse:
        return await cluster(request) if "namespaces" in request.path else status(403, "no")

    wide: Script = script
    known = frozenset(f"n-{number}" for number in range(20))
    async with (
        scripted_gate(wide) as (gate, in_process),
        gate.client("prod", ALICE) as client,
        following(client, Scope((DEPLOYMENT, JOB), None, known)) as follower,
    ):
        await follower.ready.wait()
        await eventually(lambda: cluster.lists == 40)
        assert cluster.watches <= MAX_WATCHES
        assert in_process.connections <= MAX_WATCHES + 1


async def test_rows_of_all_namespaces_together_are_bounded() -> None:
    async def script(request: web.BaseRequest) -> web.StreamResponse:
        if "watch" in request.query:
            return status(500, "no watch here")
        namespace = request.path.split("/namespaces/")[1].split("/")[0]
        items = [
            {"metadata": {"name": f"j-{one}", "uid": f"{namespace}-{one}", "namespace": namespace}}
            for one in range(4_000)
        ]
        return web.json_response({"metadata": {"resourceVersion": "1"}, "items": items})

    namespaces = frozenset(f"n-{number}" for number in range(8))
    async with (
        scripted_gate(script) as (gate, _),
        gate.client("prod", ALICE) as client,
        following(client, Scope((JOB,), namespaces, frozenset())) as follower,
    ):
        await follower.ready.wait()
        assert len(follower.rows) == MAX_ROWS
        cut = [gap.place.namespace for gap in follower.gaps if gap.reason == "TooMany"]
        assert len(cut) == 6, "what is not shown is named"
