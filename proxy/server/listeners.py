"""Open the listeners of one process."""

import ssl
from collections.abc import Callable, Sequence

from aiohttp import web

from config.listen import Listen
from proxy.client.aiohttp_internals import server_of
from proxy.client.announced_address import AnnouncedAddresses
from proxy.client.server import ProxyServer
from proxy.client.site import ClientSite
from proxy.limits.connections import ConnectionLimiter
from proxy.transport.bind_errors import explain_bind_errors
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
    balancers: Sequence[str] = (),
) -> None:
    """Open the main listener, which counts ``connections``.

    ``refused`` is called with the reason for each connection that is refused. Connections from the
    networks ``balancers`` begin with a header of the PROXY protocol.

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
        announced=AnnouncedAddresses(balancers) if balancers else None,
    )
    await _started(site, "server.listen", listen)


async def _started(site: web.BaseSite, key: str, listen: Listen) -> None:
    with explain_bind_errors(key, listen):
        await site.start()
    server = server_of(site)
    for sock in getattr(server, "sockets", ()):
        # Accepted connections inherit the options: four calls in all, not four for each.
        set_keepalive_options(sock, idle=30, interval=15, times=9)
