"""One slow or stuck stream never touches another, nor the process's memory (rancher#37707)."""

import asyncio
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest

from tests.faults.conftest import Besieged
from tests.parts.fault_proxy import RESET
from tests.parts.scripted_master import Asked, ScriptedMaster, answering
from tests.parts.vitals import memory, until

CLUSTER = "/k8s/clusters/scripted"
LOG = "/api/v1/namespaces/n/pods/p/log"
EXEC = "/api/v1/namespaces/n/pods/p/exec"
STUCK = 30
"""Streams that nobody reads at the same time."""
PIECE = b"x" * 16384
MEGABYTE = 2**20


async def heavy(asked: Asked) -> None:
    """A container that logs as fast as it can, for ever."""
    await asked.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await asked.say(b"%x\r\n%b\r\n" % (len(PIECE), PIECE))


async def heavy_exec(asked: Asked) -> None:
    """A command that prints as fast as it can, for ever."""
    await asked.say(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
    )
    while True:
        await asked.say(PIECE)


async def deaf_exec(asked: Asked) -> None:
    """A command that reads nothing of what it is sent."""
    await asked.say(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
    )
    await asyncio.sleep(3600)


def opened(sekisho: Besieged, path: str, *lines: str) -> bytes:
    head = [f"GET {CLUSTER}{path} HTTP/1.1", "Host: g", f"Authorization: Bearer {sekisho.root}"]
    return ("\r\n".join([*head, *lines]) + "\r\n\r\n").encode()


@contextmanager
def unread(sekisho: Besieged, request: bytes, number: int) -> Iterator[list[ssl.SSLSocket]]:
    """So many clients that ask and then don't read."""
    with ExitStack() as stack:
        clients = [stack.enter_context(sekisho.connected()) for _ in range(number)]
        for client in clients:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            client.sendall(request)
        yield clients


def assert_others_are_served(sekisho: Besieged) -> None:
    """Requests to the same cluster pass while something else is stuck, many at a time."""
    started = time.monotonic()
    with ThreadPoolExecutor(8) as clients:
        asked = [
            clients.submit(sekisho.ask, "GET", f"{CLUSTER}/fine", token=sekisho.root)
            for _ in range(80)
        ]
        assert {one.result().status for one in asked} == {200}
    # Each needs a handshake of its own on a busy machine; stuck, they would need for ever.
    assert time.monotonic() - started < 40


def assert_stands_still(sekisho: Besieged) -> None:
    """No more is taken from the cluster once all buffers on the way are full."""

    def still() -> bool:
        before = cpu_seconds(sekisho)
        time.sleep(0.5)
        return cpu_seconds(sekisho) - before < 0.25

    until(still, 60, "standing still")


def cpu_seconds(sekisho: Besieged) -> float:
    return sekisho.metric("process_cpu_seconds_total")


def test_many_heavy_logs_that_nobody_reads_hold_up_nobody_and_take_no_memory(
    sekisho: Besieged, scripted: ScriptedMaster
) -> None:
    scripted.scripts[LOG] = heavy
    assert_others_are_served(sekisho)
    before = memory(sekisho)
    with unread(sekisho, opened(sekisho, f"{LOG}?follow=true"), STUCK):
        until(lambda: sekisho.metric("sekisho_requests_in_flight") == STUCK, 40)
        assert_others_are_served(sekisho)
        assert_stands_still(sekisho)
        assert_others_are_served(sekisho)
        # Buffers of a megabyte for each would still be fine; an unbounded one would be gigabytes.
        assert memory(sekisho) - before < STUCK * MEGABYTE + 50 * MEGABYTE


def test_a_heavy_log_that_is_read_holds_up_nobody(
    sekisho: Besieged, scripted: ScriptedMaster
) -> None:
    """As fast as it goes: the loop must not be one stream's alone."""
    scripted.scripts[LOG] = heavy
    before = memory(sekisho)
    with (
        sekisho.asking("GET", f"{CLUSTER}{LOG}?follow=true") as log,
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
    assert memory(sekisho) - before < 50 * MEGABYTE


def test_many_heavy_execs_that_nobody_reads_hold_up_nobody_and_take_no_memory(
    sekisho: Besieged, scripted: ScriptedMaster
) -> None:
    scripted.scripts[EXEC] = heavy_exec
    assert_others_are_served(sekisho)
    before = memory(sekisho)
    request = opened(sekisho, f"{EXEC}?command=yes", "Connection: Upgrade", "Upgrade: SPDY/3.1")
    with unread(sekisho, request, STUCK):
        open_upgrades = 'sekisho_open_upgrades{cluster="scripted"}'
        until(lambda: sekisho.metric(open_upgrades) == STUCK, 40)
        assert_stands_still(sekisho)
        assert_others_are_served(sekisho)
        assert memory(sekisho) - before < STUCK * MEGABYTE + 50 * MEGABYTE


def test_a_command_that_does_not_read_slows_its_own_client_and_nobody_else(
    sekisho: Besieged, scripted: ScriptedMaster
) -> None:
    scripted.scripts[EXEC] = deaf_exec
    before = memory(sekisho)
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
        assert memory(sekisho) - before < 50 * MEGABYTE
        vanish(client)


def test_a_client_that_vanishes_while_its_upload_is_stuck_is_noticed(
    sekisho: Besieged, scripted: ScriptedMaster
) -> None:
    """It isn't read from, so the kernel has to be asked."""

    async def takes_nothing(asked: Asked) -> None:
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
        until(lambda: sekisho.metric("sekisho_requests_in_flight") == 0, 30)


def vanish(client: ssl.SSLSocket) -> None:
    """End a connection with RST, as when the client's process was killed."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.close()


def test_a_client_that_reads_nothing_and_leaves_takes_its_stream_with_it(
    sekisho: Besieged, scripted: ScriptedMaster
) -> None:
    scripted.scripts[LOG] = heavy
    with unread(sekisho, opened(sekisho, f"{LOG}?follow=true"), 5):
        until(lambda: sekisho.metric("sekisho_requests_in_flight") == 5, 20)
        assert_stands_still(sekisho)
    until(lambda: sekisho.metric("sekisho_requests_in_flight") == 0, 20)


def test_a_large_answer_beside_a_stuck_stream_comes_whole(
    sekisho: Besieged, scripted: ScriptedMaster
) -> None:
    scripted.scripts[LOG] = heavy
    scripted.scripts["/large"] = answering(PIECE * 640)
    with unread(sekisho, opened(sekisho, f"{LOG}?follow=true"), 1):
        answer = sekisho.ask("GET", f"{CLUSTER}/large", token=sekisho.root)
        assert answer.body == PIECE * 640
