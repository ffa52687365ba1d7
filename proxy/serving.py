"""Running the server: from settings to listeners, until a signal, and an orderly end."""

import asyncio
import errno
import signal
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack

import click
import structlog
from aiohttp import web

from config.listen import Listen
from config.problems import ConfigError, Problem
from management.users import ensure_administrator, one_time_password
from providers.local import hash_password
from proxy.app import assembled
from proxy.data_dir import open_keyring
from proxy.logs import set_up_logging
from proxy.server_tls import ServerTls
from proxy.startup_settings import Everything
from store.database import open_store
from store.interfaces import Store

METRICS_GRACE_SECONDS = 1.0
"""How long a scrape may still take at the very end."""

STORE_SECONDS = 3.0
"""How long closing the store may take."""

_LOG = structlog.get_logger("sekisho")


async def serve(everything: Everything, *, started: Callable[[], None] = lambda: None) -> None:
    """Serve until SIGTERM or SIGINT, then end in order. ``started`` is called when all is ready.

    Raises ConfigError and StoreError for what keeps it from starting.
    """
    settings = everything.settings
    style = set_up_logging(settings.log.level, settings.log.format)
    keyring = open_keyring(settings)
    stop = _stop_signal()
    async with AsyncExitStack() as stack:
        store = await open_store(settings.store_url, keyring, upgrade=settings.store.auto_upgrade)
        stack.push_async_callback(_close, store)
        tls = ServerTls(settings)
        running = await stack.enter_async_context(
            assembled(everything, store, keyring, tls, log_style=style)
        )
        metrics = web.AppRunner(
            running.metrics_app, access_log=None, shutdown_timeout=METRICS_GRACE_SECONDS
        )
        await metrics.setup()
        stack.push_async_callback(metrics.cleanup)
        await _listen(metrics, "metrics.listen", settings.metrics.listen, None)
        main = web.ServerRunner(
            running.server, shutdown_timeout=settings.server.shutdown_grace_seconds
        )
        await main.setup()
        stack.push_async_callback(main.cleanup)
        await _listen(main, "server.listen", settings.server.listen, tls.context)
        await _first_administrator(store)
        _LOG.info(
            "ready",
            listen=str(settings.server.listen),
            external_url=settings.external_url,
            metrics=str(settings.metrics.listen),
        )
        started()
        await stop.wait()
        _LOG.info("stopping", grace_seconds=settings.server.shutdown_grace_seconds)
        running.readiness.stopping = True
        for site in main.sites:
            await site.stop()
        running.gate.end_watches()
    _LOG.info("stopped")


async def _close(store: Store) -> None:
    """Close the store, but don't wait for a database that hangs: nothing is left to be written."""
    try:
        async with asyncio.timeout(STORE_SECONDS):
            await store.close()
    except TimeoutError:
        _LOG.warning("the store wasn't closed in time")


def _stop_signal() -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT; a second one ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def asked() -> None:
        stop.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked)
    return stop


async def _listen(
    runner: web.BaseRunner, key: str, listen: Listen, context: ssl.SSLContext | None
) -> None:
    """Open a listener. Raises ConfigError in an operator's words."""
    site = web.TCPSite(runner, listen.host, listen.port, ssl_context=context, backlog=1024)
    try:
        await site.start()
    except OSError as exc:
        reasons = {
            errno.EADDRINUSE: f"port {listen.port} is in use; stop what listens there, or choose "
            "another",
            errno.EACCES: f"port {listen.port} needs privileges; choose one over 1023",
            errno.EADDRNOTAVAIL: f"{listen.host} is not an address of this machine",
        }
        said = reasons.get(exc.errno or 0, f"can't listen on {listen}: {exc.strerror or exc}")
        raise ConfigError([Problem("", key, said)]) from exc


async def _first_administrator(store: Store) -> None:
    """Make the first administrator, and print the password on standard output: never in a log."""
    password = one_time_password()
    if await store.users.any_administrator():
        return
    password_hash = await asyncio.to_thread(hash_password, password)
    if await ensure_administrator(store, password, password_hash) is not None:
        click.echo(
            "Made the first administrator. This is shown once:\n"
            f"  user name: admin\n  one-time password: {password}"
        )
