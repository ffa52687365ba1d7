"""Create the one server for the proxy, the management API, and tunnels of agents."""

import asyncio

from aiohttp import web

from config.settings import Settings
from proxy.client.body_deadlines import BodyDeadlines
from proxy.client.connection import MalformedHandler
from proxy.client.dispatch import Handler, request_factory
from proxy.client.server import ConnectionFactory, ProxyServer
from proxy.metrics.proxy_metrics import ProxyMetrics

_LINGER_SECONDS = 5.0
"""Time for which the rest of an unwanted body is read, so that the response arrives."""


def header_limits(settings: Settings) -> dict[str, int]:
    """Return the limits of aiohttp's parser, the same for both request paths."""
    return {
        "max_line_size": int(settings.limits.head_line),
        "max_field_size": int(settings.limits.head_line),
        "max_headers": settings.limits.head_lines,
    }


def main_server(
    dispatch: Handler,
    connect: ConnectionFactory,
    malformed: MalformedHandler,
    management: web.Server,
    metrics: ProxyMetrics,
    settings: Settings,
) -> ProxyServer:
    """Return the server. ``dispatch`` handles requests, ``malformed`` what is not valid HTTP."""
    bodies = BodyDeadlines(asyncio.get_running_loop(), settings.limits, metrics.slow_bodies.inc)
    return ProxyServer(
        dispatch,
        malformed=malformed,
        connection_factory=connect,
        request_factory=request_factory(management.request_factory, bodies),
        access_log=None,
        auto_decompress=False,
        keepalive_timeout=settings.server.idle_timeout.total_seconds(),
        lingering_time=min(_LINGER_SECONDS, settings.limits.body_timeout.total_seconds()),
        anonymous_timeout=settings.limits.connections.stranger_timeout.total_seconds(),
        max_head=settings.limits.head,
        **header_limits(settings),
    )
