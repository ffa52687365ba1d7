"""Serve as one of several workers, in a process that the supervisor started."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import structlog
from aiohttp import web

from config.shares import settings_of_one
from proxy.server.listeners import METRICS_GRACE_SECONDS
from proxy.server.serve import ProcessMode, serve_until
from proxy.server.signals import stop_signal
from proxy.startup.configuration import LoadedConfig
from proxy.tunnels.peering import PeerPlace
from proxy.workers.ipc import WorkerConfig
from store.interfaces import Store


async def serve_as_worker(
    everything: LoadedConfig, config: WorkerConfig, started: Callable[[], None]
) -> None:
    """Serve with this worker's share of the limits until SIGTERM or SIGINT.

    ``started`` is called when the worker accepts requests.

    Raises:
        ConfigError, StoreError: the worker cannot start.
    """
    structlog.contextvars.bind_contextvars(worker=config.number)
    settings = settings_of_one(everything.settings, config.workers)

    async def ready(store: Store) -> None:
        started()

    stop = stop_signal(second_ends=False)
    listen = partial(_listen_to_supervisor, file=config.socket)
    place = PeerPlace(config.number, Path(config.folder))
    mode = ProcessMode(shared=True, serve_metrics=listen, ready=ready, place=place)
    await serve_until(stop, replace(everything, settings=settings), mode)


async def _listen_to_supervisor(stack: AsyncExitStack, app: web.Application, file: Path) -> None:
    """Serve the metrics on a socket in a folder that only the supervisor's user may enter."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=METRICS_GRACE_SECONDS)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.UnixSite(runner, file).start()
