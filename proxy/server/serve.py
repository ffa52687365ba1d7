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
from proxy.logs.setup import log_ready, log_stopping, set_up_logging
from proxy.logs.trace_ids import add_trace_id
from proxy.server.listeners import listen_for_clients
from proxy.server.metrics_listener import serve_metrics
from proxy.server.signals import stop_signal
from proxy.startup.bootstrap_admin import bootstrap_admin
from proxy.startup.configuration import LoadedConfig
from proxy.startup.store import open_store
from proxy.transport.descriptors import raise_limit
from proxy.transport.server_tls import ServerTls
from proxy.tunnels.peering import ALONE, PeerPlace
from store.interfaces import Store

_LOG = get_logger(__name__)

ANSWER_SECONDS = 1.0
"""End of the grace period in which requests that still wait for their cluster get a response."""


@dataclass(frozen=True, slots=True)
class ProcessMode:
    """What differs between a process that serves alone and a worker.

    ``shared``: other processes listen on the same address. ``serve_metrics`` opens the listener of
    the metrics application, which closes with the stack. ``ready`` is called when the process
    accepts requests. ``place`` is where other processes reach this one.
    """

    shared: bool
    serve_metrics: Callable[[AsyncExitStack, web.Application], Awaitable[None]]
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
    metrics = partial(serve_metrics, settings=settings)
    mode = ProcessMode(shared=False, serve_metrics=metrics, ready=ready)
    await serve_until(stop, everything, mode)
    _LOG.info("stopped")


async def serve_until(stop: asyncio.Event, everything: LoadedConfig, mode: ProcessMode) -> None:
    """Serve until ``stop`` is set, then stop in order. Raises ConfigError and StoreError."""
    settings = everything.settings
    style = set_up_logging(settings.log.level, settings.log.format, add_trace_id)
    raise_limit()
    keyring = open_keyring(settings)
    async with AsyncExitStack() as stack:
        upgrade = settings.store.auto_upgrade and not mode.shared
        store = await stack.enter_async_context(open_store(settings, keyring, upgrade=upgrade))
        tls = ServerTls(settings)
        application = await stack.enter_async_context(
            build_application(everything, store, keyring, tls, log_style=style, place=mode.place)
        )
        await mode.serve_metrics(stack, application.metrics_app)
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
            balancers=settings.server.proxy_protocol_from,
        )
        application.begin()
        await mode.ready(store)
        await stop.wait()
        if not mode.shared:  # for workers, the supervisor logs this
            log_stopping(settings)
        application.readiness.stopping = True
        # Load balancers still send requests until they notice, and agents would come back here.
        await asyncio.sleep(settings.server.shutdown_delay.total_seconds())
        application.tunnels.drain()
        for site in main.sites:
            await site.stop()
        application.handler.end_watches()
        answering = max(settings.server.shutdown_grace_seconds - ANSWER_SECONDS, 0)
        asyncio.get_running_loop().call_later(answering, application.handler.refuse_waiting)
