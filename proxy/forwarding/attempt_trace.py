"""Spans below that of a request to a cluster: each connect, and each attempt to get a response."""

from collections.abc import Iterator
from contextlib import contextmanager

from management.tracing import attributes as names
from management.tracing.span import NO_SPAN, Span, child_span, current_span
from proxy.response.relay import ResponseRelay
from proxy.upstream.connection import UpstreamConnection
from proxy.upstream.pool import ConnectionPool


async def traced_connect(pool: ConnectionPool, *, after_take: bool = False) -> UpstreamConnection:
    """Open a connection as :meth:`ConnectionPool.connect` does, in a span."""
    with child_span("connect", "internal", {}) as span:
        connection = await pool.connect(after_take=after_take)
        if span is not NO_SPAN:
            span.set(names.server_of(connection.host.url))
        return connection


@contextmanager
def attempt_span(
    connection: UpstreamConnection, method: str, relay: ResponseRelay, resends: int = 0
) -> Iterator[Span]:
    """Trace an attempt on ``connection``, up to the end of the response in ``relay``."""
    if current_span() is NO_SPAN:
        yield NO_SPAN
        return
    name = names.method_of(method)
    with child_span(name, "client", {names.METHOD: name}) as span:
        host = connection.host
        span.set({names.SERVER: host.name, names.PORT: host.port})
        if resends:
            span.set({names.RESENDS: resends})
        try:
            yield span
        finally:
            if relay.status:
                names.record_status(span, relay.status, failed_from=400)
