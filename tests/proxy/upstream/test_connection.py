"""An upstream connection without sockets: timeouts, retries, release and end."""

import asyncio
from typing import Any

import pytest

from proxy.forwarding.awaited_response import AwaitedResponse
from proxy.response.relay import RelayOptions
from proxy.response.status import StatusError, Unauthorized
from proxy.upstream.connection import UpstreamConnection
from proxy.upstream.errors import (
    UpstreamDisconnected,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeout,
)
from proxy.upstream.host import UpstreamHost
from proxy.upstream.host_connections import HostConnections
from proxy.upstream.pool import ConnectionPool

URLS = ("http://127.0.0.1:1", "http://127.0.0.1:2")
MESSAGE = b"GET /x HTTP/1.1\r\n\r\n"


class Transport(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0


class Client:
    """A client's connection."""

    flow_source: Any = None


class Owner:
    """Connections to one host, and the number of truncated responses."""

    def __init__(self, host: UpstreamHost | None = None) -> None:
        loop = asyncio.get_running_loop()
        self.host = host or UpstreamHost(URLS[0], loop.time)
        self.truncated = 0
        self.connections = HostConnections(self.host, loop, self.count)

    def count(self) -> None:
        """Count a truncated response."""
        self.truncated += 1

    def open(self) -> UpstreamConnection:
        """Return an open connection."""
        loop = asyncio.get_running_loop()
        connection = UpstreamConnection(loop, self.host, self.connections)
        connection.connection_made(Transport())
        self.connections.open.add(connection)
        return connection


def response() -> AwaitedResponse:
    """Return a relay to a client that takes everything."""
    return AwaitedResponse(Client(), Transport(), RelayOptions(http_1_1=True, keep_alive=True))


async def test_complete_response_releases_the_connection() -> None:
    owner = Owner()
    connection = owner.open()
    relay = response()
    connection.send_request(relay, MESSAGE, header_timeout=60)
    assert connection.deadline is not None
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
    assert connection.deadline is None
    assert connection.streaming
    connection.data_received(b"k")
    await relay.done
    assert list(owner.connections.idle) == [connection]
    assert connection.usable


async def test_response_that_comes_just_after_a_refusal_is_not_relayed() -> None:
    """The task that was cancelled has not continued yet."""
    connection = Owner().open()
    sent = asyncio.get_running_loop().create_future()

    async def handle() -> StatusError | None:
        relay = response()
        connection.send_request(relay, MESSAGE, header_timeout=60)
        sent.set_result(relay)
        try:
            await relay.done
        except asyncio.CancelledError:
            return relay.take_refusal()
        return None

    task = asyncio.create_task(handle())
    relay = await sent
    error = Unauthorized("the token was revoked")
    assert relay.refuse(error)
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert await task is error
    assert relay.status == 0


async def test_response_before_the_end_of_the_request_closes_the_connection() -> None:
    owner = Owner()
    connection = owner.open()
    connection.send_request(response(), MESSAGE, header_timeout=60, complete=False)
    assert connection.deadline is None, "the timeout begins at the end of the request"
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert not owner.connections.idle
    assert not connection.usable


async def test_header_timeout_begins_when_the_request_is_finished() -> None:
    connection = Owner().open()
    connection.send_request(response(), MESSAGE, header_timeout=60, complete=False)
    connection.finish_request()
    left = (connection.deadline or 0.0) - asyncio.get_running_loop().time()
    assert 59 < left <= 60


async def test_request_without_header_timeout_has_no_deadline() -> None:
    connection = Owner().open()
    connection.send_request(response(), MESSAGE, header_timeout=None)
    assert connection.deadline is None


async def test_request_on_a_closed_connection_fails() -> None:
    """The connection was opened, and closed before the request's task continued."""
    connection = Owner().open()
    connection.connection_lost(None)
    relay = response()
    connection.send_request(relay, MESSAGE, header_timeout=60)
    with pytest.raises(UpstreamDisconnected):
        await relay.done


async def test_connection_lost_in_a_response_reports_truncation_and_end() -> None:
    owner = Owner()
    connection = owner.open()
    relay = response()
    connection.send_request(relay, MESSAGE, header_timeout=60)
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
    connection.connection_lost(None)
    await relay.done
    assert relay.truncated
    assert not owner.connections.open
    assert owner.truncated == 1


async def test_data_without_a_request_ends_the_connection() -> None:
    connection = Owner().open()
    connection.data_received(b"HTTP/1.1 200 OK\r\n\r\n")
    assert not connection.usable


@pytest.mark.parametrize(
    ("error", "retryable", "has_body", "reused", "again", "ejected"),
    [
        (UpstreamDisconnected("x"), True, False, True, True, False),
        (UpstreamDisconnected("x"), True, False, False, True, True),
        (UpstreamDisconnected("x"), False, False, False, False, True),
        (UpstreamDisconnected("x"), False, True, True, False, False),
        (UpstreamDisconnected("x"), False, True, False, False, False),
        (UpstreamProtocolError("x"), True, False, False, False, True),
        (UpstreamTimeout("x"), True, False, False, False, False),
    ],
)
async def test_failure_of_a_request_decides_on_retry_and_ejection(
    error: UpstreamError,
    retryable: bool,
    has_body: bool,
    reused: bool,
    again: bool,
    ejected: bool,
) -> None:
    pool = ConnectionPool(URLS, None)
    host = pool.hosts[0]
    connection = Owner(host).open()
    connection.requests = int(reused)
    connection.send_request(
        response(), MESSAGE, header_timeout=60, retryable=retryable, has_body=has_body
    )
    assert pool.report_failure(error, connection) is again
    assert host.healthy is not ejected
    pool.abort()


async def test_failure_on_the_only_healthy_host_is_not_sent_again() -> None:
    pool = ConnectionPool(URLS, None)
    pool.hosts[1].record_failure()
    connection = Owner(pool.hosts[0]).open()
    connection.send_request(response(), MESSAGE, header_timeout=60, retryable=True)
    assert not pool.report_failure(UpstreamDisconnected("x"), connection)
    pool.abort()
