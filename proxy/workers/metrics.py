"""The metrics listener where there are several workers: all of them as one, asked when scraped."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from proxy.health import Readiness
from proxy.health import routes as health_routes
from proxy.merged_metrics import Account, Families
from proxy.worker_channel import socket_in
from proxy.worker_crew import Worker

ANSWER_SECONDS = 1.0
"""How long a worker may take to answer; what it has counted before is told without it."""


class WorkerAsker:
    """Asks workers over their sockets in ``folder``."""

    def __init__(self, folder: Path, workers: Sequence[Worker]) -> None:
        self._workers = workers
        self._sessions: dict[int, aiohttp.ClientSession] = {}
        self._folder = folder
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        for worker in self._workers:
            # Connections aren't kept: the process at the other end may be another one next time.
            connector = aiohttp.UnixConnector(
                str(socket_in(self._folder, worker.number)), force_close=True
            )
            self._sessions[worker.number] = await self._stack.enter_async_context(
                aiohttp.ClientSession(connector=connector, timeout=timeout)
            )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def check(self, worker: Worker) -> None:
        """Raise what is wrong unless the worker is ready."""
        if not worker.ready:
            raise ConnectionError("it isn't ready")
        session = self._sessions[worker.number]
        async with session.get("http://worker/readyz") as answer:
            if answer.status != 200:
                raise ConnectionError(await answer.text())

    async def metrics(self) -> dict[int, tuple[int, str]]:
        """What those who answer in time tell, by number, each with its life."""
        told = await asyncio.gather(*map(self._metrics, self._workers))
        return {worker.number: one for worker, one in zip(self._workers, told, strict=True) if one}

    async def _metrics(self, worker: Worker) -> tuple[int, str] | None:
        life = worker.starts
        if not worker.ready:
            return None
        try:
            async with self._sessions[worker.number].get("http://worker/metrics") as answer:
                answer.raise_for_status()
                text = await answer.text()
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None
        return (life, text) if worker.starts == life else None


class CrewCollector(Collector):
    """The workers themselves. ``answered`` are those that answered at this scrape."""

    def __init__(self, workers: Sequence[Worker], answered: frozenset[int]) -> None:
        self._workers = workers
        self._answered = answered

    def collect(self) -> Iterator[Metric]:
        """Two families, by worker."""
        up = GaugeMetricFamily(
            "sekisho_worker_up",
            "Whether a worker answers, and is in the other metrics (1), or not (0).",
            labels=["worker"],
        )
        starts = CounterMetricFamily(
            "sekisho_worker_starts",
            "Processes that were started for a worker: more than one where one has ended.",
            labels=["worker"],
        )
        for worker in self._workers:
            up.add_metric([str(worker.number)], float(worker.number in self._answered))
            starts.add_metric([str(worker.number)], worker.starts)
        yield from (up, starts)


def build_workers_app(
    asker: WorkerAsker, workers: Sequence[Worker]
) -> tuple[web.Application, Readiness]:
    """The application of the listener, and what to tell that Sekisho stops."""
    account = Account()
    one_at_a_time = asyncio.Lock()
    own = CollectorRegistry()
    ProcessCollector(registry=own)
    readiness = Readiness({f"worker/{one.number}": partial(asker.check, one) for one in workers})

    def written(told: dict[int, tuple[int, str]]) -> bytes:
        families = account.total(told)
        families.add(Families.read(generate_latest(own).decode(), "supervisor"))
        crew = CrewCollector(workers, frozenset(told))
        return generate_latest(families) + generate_latest(crew)

    async def metrics(request: web.Request) -> web.Response:
        async with one_at_a_time:
            # In a thread: a large fleet's metrics are long, and signals don't wait.
            body = await asyncio.to_thread(written, await asker.metrics())
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics), *health_routes(readiness)])
    return app, readiness
