"""Open listeners, and explain to the operator why one cannot be opened."""

import errno
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiohttp import web

from config.errors import Problem
from config.listen import Listen
from config.problems import ConfigError
from proxy.client.aiohttp_internals import server_of
from proxy.client.server import ProxyServer
from proxy.client.site import ClientSite
from proxy.limits.connections import ConnectionLimiter
from proxy.transport.tcp_keepalive import set_keepalive_options

BACKLOG = 1024
"""Connections that may wait to be accepted."""

METRICS_GRACE_SECONDS = 1.0
"""How long a running scrape may take when the process stops."""


async def open_listener(
    runner: web.BaseRunner,
    key: str,
    listen: Listen,
    context: ssl.SSLContext | None = None,
    *,
    shared: bool = False,
) -> None:
    """Open a listener. With ``shared``, other processes may listen on the same address.

    Raises:
        ConfigError: the address cannot be used.
    """
    site = web.TCPSite(
        runner,
        listen.host,
        listen.port,
        ssl_context=context,
        backlog=BACKLOG,
        reuse_port=shared or None,
    )
    await _started(site, key, listen)


async def listen_for_clients(
    runner: web.BaseRunner,
    server: ProxyServer,
    listen: Listen,
    connections: ConnectionLimiter,
    context: ssl.SSLContext | None,
    refused: Callable[[str], None],
    *,
    shared: bool,
) -> None:
    """Open the main listener, which counts ``connections``.

    ``refused`` is called with the reason for each connection that is refused.

    Raises:
        ConfigError: the address cannot be used.
    """
    site = ClientSite(
        runner,
        server,
        listen.host,
        listen.port,
        connections,
        ssl_context=context,
        backlog=BACKLOG,
        shared=shared,
        refused=refused,
    )
    await _started(site, "server.listen", listen)


async def _started(site: web.BaseSite, key: str, listen: Listen) -> None:
    with explain_bind_errors(key, listen):
        await site.start()
    server = server_of(site)
    for sock in getattr(server, "sockets", ()):
        # Accepted connections inherit the options: four calls in all, not four for each.
        set_keepalive_options(sock, idle=30, interval=15, times=9)


@contextmanager
def explain_bind_errors(key: str, listen: Listen) -> Iterator[None]:
    """Turn errors of binding an address into a ConfigError with cause and remedy."""
    try:
        yield
    except OSError as exc:
        reasons = {
            errno.EADDRINUSE: f"port {listen.port} is in use; stop the program that listens there, "
            "or choose another port",
            errno.EACCES: f"port {listen.port} needs privileges; choose a port above 1023",
            errno.EADDRNOTAVAIL: f"{listen.host} is not an address of this machine; "
            "choose one that is",
        }
        message = reasons.get(exc.errno or 0, f"can't listen on {listen}: {exc.strerror or exc}")
        raise ConfigError([Problem("", key, message)]) from exc
