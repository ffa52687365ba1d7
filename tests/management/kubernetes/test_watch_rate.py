"""A cluster that sends without pause is read at a limited rate."""

import asyncio
import json
import time
from pathlib import Path

import pytest
from aiohttp import web

from management.kubernetes.client import ClusterClient
from management.kubernetes.endpoint import ClusterCredential
from management.kubernetes.watch_rate import WatchRate
from tests.management.conftest import Serve


def test_watch_rate_allows_a_burst_and_then_a_steady_rate() -> None:
    now = [0.0]
    pace = WatchRate(burst=100, rate=10, clock=lambda: now[0])
    assert pace.taken(100) == 0
    assert pace.taken(50) == 5
    now[0] += 5
    assert pace.taken(0) == 0
    now[0] += 1000
    assert pace.taken(100) == 0
    assert pace.taken(10) == 1


class CountedRate(WatchRate):
    """A rate that counts what is read."""

    read = 0

    def taken(self, size: int) -> float:
        self.read += size
        return super().taken(size)


def socket_buffers() -> int:
    """Return the most bytes that the kernel keeps between two sockets of this machine."""
    files = [Path("/proc/sys/net/ipv4") / name for name in ("tcp_rmem", "tcp_wmem")]
    return sum(int(one.read_text().split()[2]) for one in files)


@pytest.mark.parametrize("what", ["events", "empty lines"])
async def test_flooding_watch_is_read_at_the_limited_rate(serve: Serve, what: str) -> None:
    event = {"type": "ADDED", "object": {"metadata": {"name": "a", "resourceVersion": "1"}}}
    line = json.dumps(event).encode() + b"\n" if what == "events" else b"\n" * 1000
    sent = [0]

    async def flood(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(line * 100)
            sent[0] += len(line) * 100
            await asyncio.sleep(0)  # A write to a connection that has ended may not wait.

    pace = CountedRate(burst=2**20, rate=2**20)
    async with (
        serve(flood) as endpoint,
        ClusterClient(endpoint, ClusterCredential(token="t"), watch_rate=pace) as client,
    ):
        began = time.monotonic()

        async def read() -> None:
            async for _ in client.watch("/api/v1/things", "1"):
                pass

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(4):
                await read()
        seconds = time.monotonic() - began
    assert 0 < pace.read < 2**20 * (2 + seconds)
    # What is sent and not read waits in the kernel's buffers, and a little in this process.
    assert sent[0] - pace.read < socket_buffers() + 2**20
