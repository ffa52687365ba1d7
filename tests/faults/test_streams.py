"""Slow or stuck streams affect neither other streams nor memory (rancher#37707)."""

import asyncio
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest

from tests.faults.conftest import FaultSekisho
from tests.support.fault_proxy import RESET
from tests.support.open_resources import resident_memory
from tests.support.scripted_api_server import ReceivedRequest, ScriptedApiServer, respond_json
from tests.support.waiting import wait_until, within

CLUSTER = "/k8s/clusters/scripted"
LOG = "/api/v1/namespaces/n/pods/p/log"
EXEC = "/api/v1/namespaces/n/pods/p/exec"
STUCK = 30
"""Unread streams at the same time."""
PIECE = b"x" * 16384
MEGABYTE = 2**20


async def heavy(received: ReceivedRequest) -> None:
    """Send a log as fast as possible, without end."""
    await received.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await received.send(b"%x\r\n%b\r\n" % (len(PIECE), PIECE))


async def heavy_exec(received: ReceivedRequest) -> None:
    """Run an exec session whose command prints as fast as possible, without end."""
    await received.send(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
    )
    while True:
        await received.send(PIECE)


async def deaf_exec(received: ReceivedRequest) -> None:
    """Run an exec session whose command reads nothing."""
    await received.send(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
    )
    await asyncio.sleep(3600)


def opened(sekisho: FaultSekisho, path: str, *lines: str) -> bytes:
    head = [f"GET {CLUSTER}{path} HTTP/1.1", "Host: g", f"Authorization: Bearer {sekisho.root}"]
    return ("\r\n".join([*head, *lines]) + "\r\n\r\n").encode()


@contextmanager
def unread(sekisho: FaultSekisho, request: bytes, number: int) -> Iterator[list[ssl.SSLSocket]]:
    """Open clients that send a request and do not read the response."""
    with ExitStack() as stack:
        clients = [stack.enter_context(sekisho.connected()) for _ in range(number)]
        for client in clients:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            client.sendall(request)
        yield clients


def assert_others_are_served(sekisho: FaultSekisho) -> None:
    """Assert that many concurrent requests to the same cluster succeed."""
    # Each needs a handshake on a busy machine; if stuck, they would never end.
    with within(40), ThreadPoolExecutor(8) as clients:
        received = [
            clients.submit(sekisho.request, "GET", f"{CLUSTER}/fine", token=sekisho.root)
            for _ in range(80)
        ]
        assert {one.result().status for one in received} == {200}


def assert_stands_still(sekisho: FaultSekisho) -> None:
    """Assert that nothing more is read from the cluster once all buffers are full."""

    def still() -> bool:
        before = cpu_seconds(sekisho)
        time.sleep(0.5)
        return cpu_seconds(sekisho) - before < 0.25

    wait_until(still, 60, "standing still")


def cpu_seconds(sekisho: FaultSekisho) -> float:
    return sekisho.metric("process_cpu_seconds_total")


def test_unread_heavy_logs_delay_no_others_and_take_bounded_memory(
    sekisho: FaultSekisho, scripted: ScriptedApiServer
) -> None:
    scripted.scripts[LOG] = heavy
    assert_others_are_served(sekisho)
    before = resident_memory(sekisho)
    with unread(sekisho, opened(sekisho, f"{LOG}?follow=true"), STUCK):
        wait_until(lambda: sekisho.metric("sekisho_requests_in_flight") == STUCK, 40)
        assert_others_are_served(sekisho)
        assert_stands_still(sekisho)
        assert_others_are_served(sekisho)
        # A buffer of a megabyte for each is acceptable; an unbounded one would be gigabytes.
        assert resident_memory(sekisho) - before < STUCK * MEGABYTE + 50 * MEGABYTE


def test_heavy_log_delays_no_others(sekisho: FaultSekisho, scripted: ScriptedApiServer) -> None:
    """At full speed: one stream must not occupy the event loop."""
    scripted.scripts[LOG] = heavy
    before = resident_memory(sekisho)
    with (
        sekisho.open_request("GET", f"{CLUSTER}{LOG}?follow=true") as log,
        ThreadPoolExecutor(1) as reader,
    ):
        stop = False

        def read() -> int:
            total = 0
            while not stop:
                total += len(log.read(MEGABYTE))
            return total

        reading = reader.submit(read)
        assert_others_are_served(sekisho)
        stop = True
        assert reading.result() > MEGABYTE
    assert resident_memory(sekisho) - before < 50 * MEGABYTE


def test_unread_heavy_execs_delay_no_others_and_take_bounded_memory(
    sekisho: FaultSekisho, scripted: ScriptedApiServer
) -> None:
    scripted.scripts[EXEC] = heavy_exec
    assert_others_are_served(sekisho)
    before = resident_memory(sekisho)
    request = opened(sekisho, f"{EXEC}?command=yes", "Connection: Upgrade", "Upgrade: SPDY/3.1")
    with unread(sekisho, request, STUCK):
        open_upgrades = 'sekisho_open_upgrades{cluster="scripted"}'
        wait_until(lambda: sekisho.metric(open_upgrades) == STUCK, 40)
        assert_stands_still(sekisho)
        assert_others_are_served(sekisho)
        assert resident_memory(sekisho) - before < STUCK * MEGABYTE + 50 * MEGABYTE


def test_command_that_does_not_read_slows_only_its_client(
    sekisho: FaultSekisho, scripted: ScriptedApiServer
) -> None:
    scripted.scripts[EXEC] = deaf_exec
    before = resident_memory(sekisho)
    request = opened(sekisho, f"{EXEC}?stdin=true", "Connection: Upgrade", "Upgrade: SPDY/3.1")
    with unread(sekisho, request, 1) as (client,):
        assert client.recv(65536).startswith(b"HTTP/1.1 101")
        client.settimeout(3)
        sent = 0
        try:
            while sent < 200 * MEGABYTE:
                sent += client.send(PIECE)
        except TimeoutError:
            pass
        assert sent < 100 * MEGABYTE, "it is braked"
        assert_others_are_served(sekisho)
        assert resident_memory(sekisho) - before < 50 * MEGABYTE
        vanish(client)


def test_vanished_client_with_a_stuck_upload_is_detected(
    sekisho: FaultSekisho, scripted: ScriptedApiServer
) -> None:
    """It is not read, so only the kernel knows."""

    async def takes_nothing(received: ReceivedRequest) -> None:
        await asyncio.sleep(3600)

    scripted.scripts["/upload"] = takes_nothing
    head = (
        f"POST {CLUSTER}/upload HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n"
        f"Authorization: Bearer {sekisho.root}\r\n\r\n"
    )
    with unread(sekisho, head.encode(), 1) as (client,):
        client.settimeout(3)
        with pytest.raises(TimeoutError):
            client.sendall(b"4000\r\n%b\r\n" % PIECE * 5000)
        assert sekisho.metric("sekisho_requests_in_flight") == 1
        vanish(client)
        wait_until(lambda: sekisho.metric("sekisho_requests_in_flight") == 0, 30)


def vanish(client: ssl.SSLSocket) -> None:
    """End a connection with RST, as after a kill of the client's process."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.close()


def test_client_gone_without_reading_ends_its_stream(
    sekisho: FaultSekisho, scripted: ScriptedApiServer
) -> None:
    scripted.scripts[LOG] = heavy
    with unread(sekisho, opened(sekisho, f"{LOG}?follow=true"), 5):
        wait_until(lambda: sekisho.metric("sekisho_requests_in_flight") == 5, 20)
        assert_stands_still(sekisho)
    wait_until(lambda: sekisho.metric("sekisho_requests_in_flight") == 0, 20)


def test_large_response_beside_a_stuck_stream_is_complete(
    sekisho: FaultSekisho, scripted: ScriptedApiServer
) -> None:
    scripted.scripts[LOG] = heavy
    scripted.scripts["/large"] = respond_json(PIECE * 640)
    with unread(sekisho, opened(sekisho, f"{LOG}?follow=true"), 1):
        answer = sekisho.request("GET", f"{CLUSTER}/large", token=sekisho.root)
        assert answer.body == PIECE * 640
