"""The metrics listener for several workers: scrapes them on request and merges their metrics."""

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

from providers.http.response_body import open_session, read_body
from proxy.monitoring.health import Readiness
from proxy.monitoring.health import routes as health_routes
from proxy.workers.ipc import socket_in
from proxy.workers.metrics_merge import Families, MetricsAccumulator
from proxy.workers.pool import Worker

SCRAPE_SECONDS = 1.0
"""How long a worker may take to respond. After that, its last known counters are used."""

MAX_METRICS_BYTES = 64 * 1024 * 1024
"""Limit for one worker's metrics. Those of a thousand clusters take a few MiB."""


class WorkerScraper:
    """Scrape workers over their sockets in ``folder``."""

    def __init__(self, folder: Path, workers: Sequence[Worker]) -> None:
        self._workers = workers
        self._sessions: dict[int, aiohttp.ClientSession] = {}
        self._folder = folder
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=SCRAPE_SECONDS)
        for worker in self._workers:
            # No keep-alive: the next time, another process may serve the socket.
            connector = aiohttp.UnixConnector(
                str(socket_in(self._folder, worker.number)), force_close=True
            )
            self._sessions[worker.number] = await self._stack.enter_async_context(
                open_session(connector=connector, timeout=timeout)
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
        """Check that the worker is ready. Raises OSError or aiohttp.ClientError if not."""
        if not worker.ready:
            raise ConnectionError("the worker isn't ready")
        session = self._sessions[worker.number]
        async with session.get("http://worker/readyz") as response:
            if response.status != 200:
                reason = await read_body(response, MAX_METRICS_BYTES)
                raise ConnectionError(reason.decode("utf-8", "replace"))

    async def metrics(self) -> dict[int, tuple[int, str]]:
        """Return the metrics of workers that respond in time, by number, with their starts."""
        texts = await asyncio.gather(*map(self._metrics, self._workers))
        return {worker.number: one for worker, one in zip(self._workers, texts, strict=True) if one}

    async def _metrics(self, worker: Worker) -> tuple[int, str] | None:
        starts = worker.starts
        if not worker.ready:
            return None
        try:
            async with self._sessions[worker.number].get("http://worker/metrics") as response:
                response.raise_for_status()
                text = (await read_body(response, MAX_METRICS_BYTES)).decode()
        except (aiohttp.ClientError, TimeoutError, OSError, UnicodeDecodeError):
            return None
        return (starts, text) if worker.starts == starts else None


class WorkerCollector(Collector):
    """Metrics about the workers. ``scraped`` are the workers that responded to this scrape."""

    def __init__(self, workers: Sequence[Worker], scraped: frozenset[int]) -> None:
        self._workers = workers
        self._scraped = scraped

    def collect(self) -> Iterator[Metric]:
        """Yield two families, with the label ``worker``."""
        up = GaugeMetricFamily(
            "sekisho_worker_up",
            "Whether a worker responds, and is in the other metrics (1), or not (0).",
            labels=["worker"],
        )
        starts = CounterMetricFamily(
            "sekisho_worker_starts",
            "Processes that were started for a worker: more than one if a process has ended.",
            labels=["worker"],
        )
        for worker in self._workers:
            up.add_metric([str(worker.number)], float(worker.number in self._scraped))
            starts.add_metric([str(worker.number)], worker.starts)
        yield from (up, starts)


def build_workers_app(
    scraper: WorkerScraper, workers: Sequence[Worker]
) -> tuple[web.Application, Readiness]:
    """Return the application of the metrics listener, and the readiness that it reports."""
    accumulator = MetricsAccumulator()
    one_at_a_time = asyncio.Lock()
    supervisor = CollectorRegistry()
    ProcessCollector(registry=supervisor)
    readiness = Readiness({f"worker/{one.number}": partial(scraper.check, one) for one in workers})

    def render(scraped: dict[int, tuple[int, str]]) -> bytes:
        families = accumulator.total(scraped)
        families.add(Families.read(generate_latest(supervisor).decode(), "supervisor"))
        of_workers = WorkerCollector(workers, frozenset(scraped))
        return generate_latest(families) + generate_latest(of_workers)

    async def metrics(request: web.Request) -> web.Response:
        async with one_at_a_time:
            # In a thread: many clusters have long metrics, and the loop must handle signals.
            body = await asyncio.to_thread(render, await scraper.metrics())
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics), *health_routes(readiness)])
    return app, readiness
