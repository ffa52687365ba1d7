"""Several workers behind one address: what is done once, and looking after them.

Every worker is a whole Sekisho, as another replica would be, in a process of its own; the kernel
deals connections out to them. See docs/decisions/0021-workers.md.
"""

import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web

from config.problems import ConfigError, Problem
from config.settings import Settings
from proxy.data_dir import open_keyring
from proxy.first_administrator import first_administrator
from proxy.first_of import first_of
from proxy.health import Readiness
from proxy.listening import METRICS_GRACE_SECONDS, listen_at
from proxy.logs import set_up_logging, tell_ready
from proxy.opened_store import opened_store
from proxy.reserved_address import reserved
from proxy.server_tls import ServerTls
from proxy.startup_settings import Everything
from proxy.stop_signals import stop_signal
from proxy.worker_channel import Assignment
from proxy.worker_crew import Crew
from proxy.worker_metrics import WorkerAsker, build_workers_app
from proxy.worker_process import WorkerProcess

END_SECONDS = 15.0
"""How long workers may take to end after the grace that requests have."""

_LOG = structlog.get_logger("sekisho")


async def supervise(everything: Everything, count: int) -> None:
    """Serve with so many workers until SIGTERM or SIGINT, then let all of them end in order.

    Raises ConfigError and StoreError for what keeps it from starting, and WorkerFailed where
    workers don't start, or can't be kept running.
    """
    settings = everything.settings
    if sys.platform != "linux":
        said = "more than one needs Linux, which deals connections out to them; set it to 1"
        raise ConfigError([Problem("", "server.workers", said)])
    set_up_logging(settings.log.level, settings.log.format)
    keyring = open_keyring(settings)
    stop = stop_signal()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(reserved("server.listen", settings.server.listen))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sekisho-")))
        crew = Crew(count, _starter(count, folder, everything.text))
        readiness = await _tell_metrics(stack, crew, folder, settings)
        await stack.enter_async_context(_running(crew, readiness, settings))
        async with opened_store(settings, keyring, upgrade=settings.store.auto_upgrade) as store:
            ServerTls(settings)  # makes the certificate, or says what is wrong with it
            crew.go()
            await first_of(stop.wait(), crew.all_ready())
            if not stop.is_set():
                await first_administrator(store)
        if not stop.is_set():
            tell_ready(settings, workers=count)
            await first_of(stop.wait(), crew.run())
        _LOG.info("stopping", grace_seconds=settings.server.shutdown_grace_seconds)
    _LOG.info("stopped")


def _starter(
    count: int, folder: Path, config: str
) -> Callable[[int], Coroutine[Any, Any, WorkerProcess]]:
    async def start(number: int) -> WorkerProcess:
        return await WorkerProcess.start(Assignment(number, count, str(folder), config))

    return start


async def _tell_metrics(
    stack: AsyncExitStack, crew: Crew, folder: Path, settings: Settings
) -> Readiness:
    """Open the metrics listener, for as long as workers run and longer."""
    asker = await stack.enter_async_context(WorkerAsker(folder, crew.workers))
    app, readiness = build_workers_app(asker, crew.workers)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=METRICS_GRACE_SECONDS)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await listen_at(runner, "metrics.listen", settings.metrics.listen)
    return readiness


@asynccontextmanager
async def _running(crew: Crew, readiness: Readiness, settings: Settings) -> AsyncIterator[None]:
    """The workers' processes, which import meanwhile; stopped in order, whatever ends it."""
    crew.start()
    try:
        yield
    finally:
        readiness.stopping = True
        await crew.stop(settings.server.shutdown_grace_seconds + END_SECONDS)
