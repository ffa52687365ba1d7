"""Opening listeners, and saying in an operator's words why one can't be opened."""

import errno
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from config.listen import Listen
from config.problems import ConfigError, Problem
from proxy.peers import ask_on

BACKLOG = 1024
"""Connections that may wait to be taken."""

METRICS_GRACE_SECONDS = 1.0
"""How long a scrape may still take at the very end."""


async def listen_at(
    runner: web.BaseRunner,
    key: str,
    listen: Listen,
    context: ssl.SSLContext | None = None,
    *,
    shared: bool = False,
) -> None:
    """Open a listener; a ``shared`` one beside those of other processes. Raises ConfigError."""
    site = web.TCPSite(
        runner,
        listen.host,
        listen.port,
        ssl_context=context,
        backlog=BACKLOG,
        reuse_port=shared or None,
    )
    with said_in_words(key, listen):
        await site.start()
    server = site._server
    for sock in getattr(server, "sockets", ()):
        # Once for all that are accepted from it, rather than by four calls for each.
        ask_on(sock, idle=30, interval=15, times=9)


@contextmanager
def said_in_words(key: str, listen: Listen) -> Iterator[None]:
    """Turn what the operating system says of an address into a ConfigError."""
    try:
        yield
    except OSError as exc:
        reasons = {
            errno.EADDRINUSE: f"port {listen.port} is in use; stop what listens there, or choose "
            "another",
            errno.EACCES: f"port {listen.port} needs privileges; choose one over 1023",
            errno.EADDRNOTAVAIL: f"{listen.host} is not an address of this machine",
        }
        said = reasons.get(exc.errno or 0, f"can't listen on {listen}: {exc.strerror or exc}")
        raise ConfigError([Problem("", key, said)]) from exc
