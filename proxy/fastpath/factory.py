"""Build the fast path. :mod:`proxy.app` calls this one function and imports nothing else of it."""

import asyncio
from functools import partial

from management.authentication.token_authenticator import TokenAuthenticator
from proxy.client.server import ConnectionFactory
from proxy.fastpath.connection import FastPathConnection
from proxy.fastpath.handler import FastPathHandler
from proxy.fastpath.header_cache import HeaderCache
from proxy.forwarding.services import ProxyServices


def fast_path_connections(
    services: ProxyServices, authenticator: TokenAuthenticator, header_limits: dict[str, int]
) -> ConnectionFactory:
    """Return a factory of connections with a fast path.

    ``header_limits`` are arguments of aiohttp's parser, the same as those of the other path.
    """
    loop = asyncio.get_running_loop()
    traces = services.tracer is not None
    header_cache = HeaderCache(loop, services.addresses, traces=traces, **header_limits)
    handler = FastPathHandler(services, authenticator, header_cache, loop)
    return partial(FastPathConnection, handler.try_handle)
