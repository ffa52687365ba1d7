"""Running the server: from settings to listeners, until a signal, and an orderly end.

A process serves alone, or as one of several workers; a worker's supervisor has done what is done
once, and asks for its metrics.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import structlog
from aiohttp import web

from config.shares import settings_of_one
from proxy.app import assembled
from proxy.data_dir import open_keyring
from proxy.first_administrator import first_administrator
from proxy.listening import METRICS_GRACE_SECONDS, listen_at
from proxy.logs import set_up_logging, tell_ready
from proxy.opened_store import opened_store
from proxy.server_tls import ServerTls
from proxy.startup_settings import Everything
from proxy.stop_signals import stop_signal
from proxy.worker_channel import Assignment
from store.interfaces import Store

_LOG = structlog.get_logger("sekisho")


@dataclass(frozen=True, slots=True)
class _Manner:
    """What differs between a process that serves alone and a worker."""

    shared: bool
    open_metrics: Callable[[web.BaseRunner], Awaitable[None]]
    ready: Callable[[Store], Awaitable[None]]


async def serve(everything: Everything, *, started: Callable[[], None] = lambda: None) -> None:
    """Serve alone until SIGTERM or SIGINT, then end in order. ``started``: when all is ready.

    Raises ConfigError and StoreError for what keeps it from starting.
    """
    settings = everything.settings

    async def ready(store: Store) -> None:
        await first_administrator(store)
        tell_ready(settings)
        started()

    stop = stop_signal()
    listen = partial(listen_at, key="metrics.listen", listen=settings.metrics.listen)
    await _serve(everything, stop, _Manner(shared=False, open_metrics=listen, ready=ready))
    _LOG.info("stopped")


async def serve_as_worker(
    everything: Everything, assignment: Assignment, started: Callable[[], None]
) -> None:
    """Serve as one of several, until SIGTERM or SIGINT. Raises as :func:`serve` does."""
    structlog.contextvars.bind_contextvars(worker=assignment.number)
    everything = replace(
        everything, settings=settings_of_one(everything.settings, assignment.workers)
    )

    async def ready(store: Store) -> None:
        started()

    stop = stop_signal(second_ends=False)
    listen = partial(_listen_to_supervisor, file=assignment.socket)
    await _serve(everything, stop, _Manner(shared=True, open_metrics=listen, ready=ready))


async def _serve(everything: Everything, stop: asyncio.Event, manner: _Manner) -> None:
    settings = everything.settings
    style = set_up_logging(settings.log.level, settings.log.format)
    keyring = open_keyring(settings)
    async with AsyncExitStack() as stack:
        upgrade = settings.store.auto_upgrade and not manner.shared
        store = await stack.enter_async_context(opened_store(settings, keyring, upgrade=upgrade))
        tls = ServerTls(settings)
        running = await stack.enter_async_context(
            assembled(everything, store, keyring, tls, log_style=style)
        )
        metrics = web.AppRunner(
            running.metrics_app, access_log=None, shutdown_timeout=METRICS_GRACE_SECONDS
        )
        await metrics.setup()
        stack.push_async_callback(metrics.cleanup)
        await manner.open_metrics(metrics)
        main = web.ServerRunner(
            running.server, shutdown_timeout=settings.server.shutdown_grace_seconds
        )
        await main.setup()
        stack.push_async_callback(main.cleanup)
        await listen_at(
            main, "server.listen", settings.server.listen, tls.context, shared=manner.shared
        )
        running.begin()
        await manner.ready(store)
        await stop.wait()
        if not manner.shared:  # else whoever supervises says so
            _LOG.info("stopping", grace_seconds=settings.server.shutdown_grace_seconds)
        running.readiness.stopping = True
        for site in main.sites:
            await site.stop()
        running.gate.end_watches()


async def _listen_to_supervisor(runner: web.BaseRunner, file: Path) -> None:
    """A worker's metrics are for its supervisor, in a folder that nobody else may enter."""
    await web.UnixSite(runner, file).start()
