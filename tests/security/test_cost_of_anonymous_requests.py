"""A request head of an anonymous client costs linear CPU time and little memory."""

from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack

import pytest

from tests.security.world import World, wait_until

MEBIBYTE = 1024**2
REQUESTS = 4
SECONDS_EACH = 0.3
"""CPU seconds for a head of nearly one mebibyte. Quadratic parsing took many seconds."""


def repeated(unit: bytes, before: bytes = b"", size: int = 1_000_000) -> bytes:
    return before + unit * (size // len(unit))


SELECTOR = b"/k8s/clusters/a/api/v1/pods?fieldSelector=metadata.name%3D"
HEADS: dict[str, tuple[bytes, tuple[bytes, ...]]] = {
    "selector": (repeated(b"+", SELECTOR) + b"!", ()),
    "parameters": (repeated(b"a&", b"/k8s/clusters/a/api/v1/pods?"), ()),
    "escaped parameters": (repeated(b"%61=%62&", b"/k8s/clusters/a/api/v1/pods?"), ()),
    "path": (repeated(b"/a", b"/k8s/clusters/a"), ()),
    "dots": (repeated(b"/.%2e", b"/k8s/clusters/a"), ()),
    "management": (repeated(b"a=b&", b"/v1/users?"), ()),
    "management path": (repeated(b"/a", b"/v1"), ()),
    "connection": (
        b"/k8s/clusters/a/api",
        tuple(
            b"Connection: " + b",".join(b"%x" % (line * 500 + n) for n in range(500))
            for line in range(300)
        ),
    ),
    "cookies": (
        b"/k8s/clusters/a/api",
        tuple(repeated(b"a=b;", b"Cookie: ", 4000) for _ in range(240)),
    ),
    "one cookie": (b"/k8s/clusters/a/api", (repeated(b"a b;", b"Cookie: ", 16_000),)),
    "management cookie": (b"/v1/me", (repeated(b"a=b;", b"Cookie: ", 900_000),)),
    "protocols": (b"/k8s/clusters/a/api", (repeated(b"a,", b"Sec-WebSocket-Protocol: "),)),
    "bearer": (b"/k8s/clusters/a/api", (repeated(b"a.", b"Authorization: Bearer "),)),
    "basic": (b"/k8s/clusters/a/api", (repeated(b"YWFh", b"Authorization: Basic "),)),
    "impersonation": (
        b"/k8s/clusters/a/api",
        tuple(repeated(b"%61", b"Impersonate-Group: ", 3000) for _ in range(300)),
    ),
    "forwarded": (b"/k8s/clusters/a/api", (repeated(b"1.1.1.1,", b"X-Forwarded-For: "),)),
    "lines": (b"/k8s/clusters/a/api", tuple(b"X-%d: %b" % (n, 1900 * b"v") for n in range(500))),
}


def cpu_seconds(world: World) -> float:
    return world.sekisho.metric("process_cpu_seconds_total")


@pytest.mark.parametrize("name", HEADS)
def test_large_anonymous_head_costs_linear_cpu_time(world: World, name: str) -> None:
    target, lines = HEADS[name]
    request = world.head(*lines, user=None, target=target)
    before = cpu_seconds(world)
    for _ in range(REQUESTS):
        assert 400 <= world.send(request).status < 500
    assert cpu_seconds(world) - before < REQUESTS * SECONDS_EACH
    world.assert_nothing_received()


def test_unfinished_heads_are_buffered_once(world: World) -> None:
    """Forty unfinished heads of 900 KiB need little more memory than their bytes."""
    head = world.head(user=None)[:-2] + repeated(b"a" * 100, b"X-Long: ", 900_000)
    before = world.sekisho.metric("process_resident_memory_bytes")
    with ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(world.connect()).send(head)
        assert world.send(world.head()).status == 200
        wait_until(lambda: world.sekisho.metric("process_resident_memory_bytes") > before, 20)
        grown = world.sekisho.metric("process_resident_memory_bytes") - before
    assert grown < 40 * 1.5 * MEBIBYTE


def test_unfinished_heads_over_budget_are_rejected_while_requests_are_served(
    world: World,
) -> None:
    head = world.head(user=None)[:-2] + repeated(b"a" * 100, b"X-Long: ", 1_000_000)
    with ExitStack() as stack:
        wires = [stack.enter_context(world.connect()) for _ in range(72)]
        for wire in wires:
            wire.send(head)
        with ThreadPoolExecutor(len(wires)) as pool:
            first = next(as_completed([pool.submit(wire.read_response) for wire in wires]))
            assert first.result().status == 503
            assert world.send(world.head()).status == 200
            for wire in wires:
                wire.shut_down()
    wait_until(lambda: world.send(world.head(b"X-Long: " + 100_000 * b"a")).status == 200, 20)


@pytest.mark.parametrize("standard_path", [False, True])
@pytest.mark.parametrize("size", [7_000, 9_000, 100_000, 1_000_000])
def test_large_head_is_forwarded_on_both_paths(
    world: World, size: int, standard_path: bool
) -> None:
    """An example is ``kubectl exec`` with 80 KB of arguments, or an equally long header line."""
    target = b"/k8s/clusters/a/api?command=" + size * b"x"
    with world.connect() as wire:
        if standard_path:
            wire.send(2 * world.head())
            assert [wire.read_response().status for _ in range(2)] == [200, 200]
            world.a.clear_recording()
        wire.send(world.head(target=target))
        assert wire.read_response().status == 200
        wire.send(world.head(b"X-Long: " + size * b"y"))
        assert wire.read_response().status == 200
    first, second = world.a.wait_for(2)
    assert first.target == b"/api?command=" + size * b"x"
    assert b"X-Long: " + size * b"y" in second.head
