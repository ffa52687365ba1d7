"""Run the server in one process: from settings to listeners, until a signal, then stop in order.

A process serves alone, or as one of several workers. :class:`ProcessMode` holds the difference;
:mod:`proxy.workers.worker` has the mode of a worker.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from config.loggers import get_logger
from proxy.app import build_application
from proxy.files.data_dir import open_keyring
from proxy.logs.setup import log_ready, set_up_logging
from proxy.server.listeners import METRICS_GRACE_SECONDS, listen_for_clients, open_listener
from proxy.server.signals import stop_signal
from proxy.startup.bootstrap_admin import bootstrap_admin
from proxy.startup.configuration import LoadedConfig
from proxy.startup.store import open_store
from proxy.transport.descriptors import raise_limit
from proxy.transport.server_tls import ServerTls
from proxy.tunnels.peering import ALONE, PeerPlace
from store.interfaces import Store

_LOG = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ProcessMode:
    """What differs between a process that serves alone and a worker.

    ``shared``: other processes listen on the same address. ``open_metrics`` opens the listener of
    the metrics application. ``ready`` is called when the process accepts requests. ``place`` is
    where other processes reach this one.
    """

    shared: bool
    open_metrics: Callable[[web.BaseRunner], Awaitable[None]]
    ready: Callable[[Store], Awaitable[None]]
    place: PeerPlace = ALONE


async def serve(everything: LoadedConfig, *, started: Callable[[], None] = lambda: None) -> None:
    """Serve in this process alone until SIGTERM or SIGINT, then stop in order.

    ``started`` is called when the server accepts requests.

    Raises:
        ConfigError, StoreError: the server cannot start.
    """
    settings = everything.settings

    async def ready(store: Store) -> None:
        await bootstrap_admin(store)
        log_ready(settings)
        started()

    stop = stop_signal()
    listen = partial(open_listener, key="metrics.listen", listen=settings.metrics.listen)
    mode = ProcessMode(shared=False, open_metrics=listen, ready=ready)
    await serve_until(stop, everything, mode)
    _LOG.info("stopped")


async def serve_until(stop: asyncio.Event, everything: LoadedConfig, mode: ProcessMode) -> None:
    """Serve until ``stop`` is set, then stop in order. Raises ConfigError and StoreError."""
    settings = everything.settings
    style = set_up_logging(settings.log.level, settings.log.format)
    raise_limit()
    keyring = open_keyring(settings)
    async with AsyncExitStack() as stack:
        upgrade = settings.store.auto_upgrade and not mode.shared
        store = await stack.enter_async_context(open_store(settings, keyring, upgrade=upgrade))
        tls = ServerTls(settings)
        application = await stack.enter_async_context(
            build_application(everything, store, keyring, tls, log_style=style, place=mode.place)
        )
        metrics = web.AppRunner(
            application.metrics_app, access_log=None, shutdown_timeout=METRICS_GRACE_SECONDS
        )
        await metrics.setup()
        stack.push_async_callback(metrics.cleanup)
        await mode.open_metrics(metrics)
        main = web.ServerRunner(
            application.server, shutdown_timeout=settings.server.shutdown_grace_seconds
        )
        await main.setup()
        stack.push_async_callback(main.cleanup)
        await listen_for_clients(
            main,
            application.server,
            settings.server.listen,
            application.connections,
            tls.context,
            application.refused,
            shared=mode.shared,
        )
        application.begin()
        await mode.ready(store)
        await stop.wait()
        if not mode.shared:  # for workers, the supervisor logs this
            _LOG.info("stopping", grace_seconds=settings.server.shutdown_grace_seconds)
        application.readiness.stopping = True
        application.tunnels.drain()
        for site in main.sites:
            await site.stop()
        application.handler.end_watches()
