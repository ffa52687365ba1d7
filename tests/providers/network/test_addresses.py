"""Tests of names with several addresses: their order, and connections."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.network.addresses import AddressMemory, interleaved
from providers.network.dialing import NoConnection, SocketAddress, dial, endpoints_of
from tests.support.waiting import within


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_interleaved_alternates_families_without_duplicates() -> None:
    found = interleaved(["6a", "6b", "6c", "4a", "6a", "4b"], lambda one: one[0])
    assert found == ["6a", "4a", "6b", "4b", "6c"]


@given(st.lists(st.tuples(st.integers(4, 6), st.integers(0, 9))))
def test_interleaved_keeps_every_address(addresses: list[tuple[int, int]]) -> None:
    found = interleaved(addresses, lambda one: one[0])
    assert sorted(found) == sorted(set(addresses))


def test_order_is_working_addresses_first_and_failed_last() -> None:
    clock = Clock()
    memory = AddressMemory(clock)
    memory.worked("c")
    memory.failed("a")
    assert memory.order("abc") == ["c", "b", "a"]
    clock.now = 1
    memory.failed("c")
    memory.failed("b")
    assert memory.order("abc") == ["a", "b", "c"]
    memory.worked("b")
    assert memory.order("abc")[0] == "b"
    clock.now = 40
    assert memory.order("abc") == ["b", "a", "c"]


@contextmanager
def listening(address: str = "127.0.0.1") -> Iterator[SocketAddress]:
    with socket.create_server((address, 0)) as listener:
        yield SocketAddress(socket.AF_INET, listener.getsockname())


@contextmanager
def silent() -> Iterator[SocketAddress]:
    """Yield an address with a full accept queue, which does not reply to a SYN."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield SocketAddress(socket.AF_INET, listener.getsockname())


def refusing() -> SocketAddress:
    with listening() as endpoint:
        return endpoint


def test_dial_skips_silent_addresses_and_remembers_the_working_one() -> None:
    memory = AddressMemory(time.monotonic)
    with silent() as first, silent() as second, listening() as good:
        endpoints = [first, second, good]
        with within(30):
            sock, endpoint = dial(memory.order(endpoints), 60, memory)
            sock.close()
            assert endpoint == good
        assert memory.order(endpoints)[0] == good


def test_dial_tries_next_address_after_refusal_immediately() -> None:
    memory = AddressMemory(lambda: 0.0)
    endpoints = [refusing() for _ in range(5)]
    with listening() as good:
        sock, endpoint = dial([*endpoints, good], 60, memory)
        sock.close()
    assert endpoint == good
    assert memory.order([*endpoints, good])[0] == good


def test_dial_without_reachable_address_names_each() -> None:
    memory = AddressMemory(lambda: 0.0)
    with pytest.raises(NoConnection, match=r"127\.0\.0\.1: connection refused"):
        dial([refusing(), refusing()], 60, memory)
    with pytest.raises(NoConnection):
        dial([], 60, memory)
    with silent() as one, pytest.raises(TimeoutError, match="timed out"):
        dial([one, refusing()], 0.2, memory)


def test_cancelled_dial_stops_immediately() -> None:
    with silent() as one, pytest.raises(TimeoutError):
        dial([one], 600, AddressMemory(lambda: 0.0), lambda: True)


def test_host_name_is_resolved_to_its_addresses() -> None:
    memory = AddressMemory(lambda: 0.0)
    [endpoint] = endpoints_of("127.0.0.1", 389, 10, memory)
    assert endpoint.address == ("127.0.0.1", 389)
    with pytest.raises(OSError, match=r"."):
        endpoints_of("no-such-host.invalid", 389, 60, memory)
