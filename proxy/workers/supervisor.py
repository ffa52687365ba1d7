"""Serve with several workers behind one address: prepare once, then supervise the workers.

Each worker is a complete Sekisho, like another replica, in a process of its own. The kernel
distributes connections among them. See docs/decisions/0021-workers.md.
"""

import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from config.errors import Problem
from config.loggers import get_logger
from config.problems import ConfigError
from config.settings import Settings
from proxy.background.tasks import wait_first
from proxy.files.data_dir import open_keyring
from proxy.logs.setup import log_ready, log_stopping, set_up_logging
from proxy.monitoring.health import Readiness
from proxy.server.metrics_listener import serve_metrics
from proxy.server.signals import stop_signal
from proxy.startup.bootstrap_admin import bootstrap_admin
from proxy.startup.configuration import LoadedConfig
from proxy.startup.store import open_store
from proxy.transport.server_tls import ServerTls
from proxy.workers.ipc import WorkerConfig
from proxy.workers.metrics import WorkerScraper, build_workers_app
from proxy.workers.pool import WorkerPool
from proxy.workers.port_reservation import reserve_port
from proxy.workers.process import WorkerProcess

END_SECONDS = 15.0
"""How long workers may take to end after the grace period of requests."""

_LOG = get_logger(__name__)


async def supervise(everything: LoadedConfig, count: int) -> None:
    """Serve with ``count`` workers until SIGTERM or SIGINT, then stop them in order.

    Raises:
        ConfigError, StoreError: the server cannot start.
        WorkerFailed: workers do not start, or end again and again.
    """
    settings = everything.settings
    if sys.platform != "linux":
        message = "several workers need Linux, which distributes connections; set it to 1"
        raise ConfigError([Problem("", "server.workers", message)])
    set_up_logging(settings.log.level, settings.log.format)
    keyring = open_keyring(settings)
    stop = stop_signal()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(reserve_port("server.listen", settings.server.listen))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sekisho-")))
        pool = WorkerPool(count, _starter(count, folder, everything.text))
        readiness = await _serve_metrics(stack, pool, folder, settings)
        await stack.enter_async_context(_running(pool, readiness, settings))
        async with open_store(settings, keyring, upgrade=settings.store.auto_upgrade) as store:
            ServerTls(settings)  # creates the certificate, or reports what is wrong with it
            pool.go()
            await wait_first(stop.wait(), pool.all_ready())
            if not stop.is_set():
                await bootstrap_admin(store)
        if not stop.is_set():
            log_ready(settings, workers=count)
            await wait_first(stop.wait(), pool.run())
        log_stopping(settings)
    _LOG.info("stopped")


def _starter(
    count: int, folder: Path, config: str
) -> Callable[[int], Coroutine[Any, Any, WorkerProcess]]:
    async def start(number: int) -> WorkerProcess:
        return await WorkerProcess.start(WorkerConfig(number, count, str(folder), config))

    return start


async def _serve_metrics(
    stack: AsyncExitStack, pool: WorkerPool, folder: Path, settings: Settings
) -> Readiness:
    """Open the metrics listener. It closes after the workers have ended."""
    scraper = await stack.enter_async_context(WorkerScraper(folder, pool.workers))
    app, readiness = build_workers_app(scraper, pool.workers)
    await serve_metrics(stack, app, settings)
    return readiness


@asynccontextmanager
async def _running(
    pool: WorkerPool, readiness: Readiness, settings: Settings
) -> AsyncIterator[None]:
    """Start the workers' processes, which import their modules now; stop them at the end."""
    pool.start()
    try:
        yield
    finally:
        readiness.stopping = True
        delay = settings.server.shutdown_delay.total_seconds()
        await pool.stop(delay + settings.server.shutdown_grace_seconds + END_SECONDS)
