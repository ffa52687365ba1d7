"""Connect from a thread to a name with several addresses (Happy Eyeballs, RFC 8305 §5).

The next address is tried concurrently when an attempt fails, or after a quarter of a second. The
first connection is used, and the others are closed.
"""

import errno
import os
import selectors
import socket
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from config.address_policy import ANY_ADDRESS, AddressPolicy
from providers.network.addresses import STAGGER_SECONDS, AddressMemory, interleaved
from providers.network.checked_connections import AddressRefused, check_address
from providers.network.name_lookups import LOOKUPS

_PENDING = frozenset({0, errno.EINPROGRESS, errno.EWOULDBLOCK})


@dataclass(frozen=True, slots=True)
class SocketAddress:
    """An address of a name, as getaddrinfo returns it."""

    family: int
    address: tuple[str | int, ...]

    def __str__(self) -> str:
        return str(self.address[0])


class NoConnection(OSError):
    """No address accepts a connection. The message has the reason for each address."""


def endpoints_of(
    host: str,
    port: int,
    seconds: float,
    memory: AddressMemory,
    policy: AddressPolicy = ANY_ADDRESS,
) -> list[SocketAddress]:
    """Resolve a name. Return the addresses that ``policy`` allows, in the order of attempts.

    Connections use these addresses; the name is not resolved again. Raises OSError, TimeoutError
    after ``seconds``, and AddressRefused where the policy allows none of them.
    """
    try:
        found = LOOKUPS.wait(host, port, seconds)
    except TimeoutError:
        raise TimeoutError(f"the DNS server does not answer about {host}") from None
    endpoints: list[SocketAddress] = []
    refused: AddressRefused | None = None
    for family, _, _, _, address in found:
        try:
            check_address(policy, str(address[0]), port)
        except AddressRefused as exc:
            refused = exc
        else:
            endpoints.append(SocketAddress(family, tuple(address)))
    if refused is not None and not endpoints:
        raise refused
    return memory.order(interleaved(endpoints, lambda one: one.family))


def dial(
    endpoints: Collection[SocketAddress],
    seconds: float,
    memory: AddressMemory,
    given_up: Callable[[], bool] = lambda: False,
) -> tuple[socket.socket, SocketAddress]:
    """Connect to the first of ``endpoints`` that accepts, within ``seconds`` in total.

    Raises:
        NoConnection: every address failed.
        TimeoutError: no address accepted in time, or ``given_up`` returned True.
    """
    waiting = list(endpoints)
    problems: dict[SocketAddress, str] = {}
    ends = time.monotonic() + seconds
    with _attempts() as attempts:
        while waiting or attempts.get_map():
            if waiting:
                _begin(attempts, waiting.pop(0), problems)
            until = min(ends, time.monotonic() + STAGGER_SECONDS) if waiting else ends
            won = _first(attempts, until, problems, given_up)
            if won is not None:
                for one in problems:
                    memory.failed(one)
                memory.worked(won[1])
                return won
            if time.monotonic() >= ends or given_up():
                for key in attempts.get_map().values():
                    memory.failed(key.data)
                    problems.setdefault(key.data, "timed out")
                raise TimeoutError(_explained(problems))
    for one in problems:
        memory.failed(one)
    raise NoConnection(_explained(problems))


@contextmanager
def _attempts() -> Iterator[selectors.BaseSelector]:
    with selectors.DefaultSelector() as selector:
        try:
            yield selector
        finally:
            for key in list(selector.get_map().values()):
                assert isinstance(key.fileobj, socket.socket)
                key.fileobj.close()


def _begin(
    attempts: selectors.BaseSelector, endpoint: SocketAddress, problems: dict[SocketAddress, str]
) -> None:
    try:
        sock = socket.socket(endpoint.family, socket.SOCK_STREAM)
    except OSError as exc:
        problems[endpoint] = exc.strerror or str(exc)
        return
    sock.setblocking(False)
    try:
        code = sock.connect_ex(endpoint.address)
    except OSError as exc:
        code = exc.errno or errno.EINVAL
    if code not in _PENDING:
        problems[endpoint] = os.strerror(code)
        sock.close()
        return
    attempts.register(sock, selectors.EVENT_WRITE, endpoint)


def _first(
    attempts: selectors.BaseSelector,
    until: float,
    problems: dict[SocketAddress, str],
    given_up: Callable[[], bool],
) -> tuple[socket.socket, SocketAddress] | None:
    """Return the first established connection. None if an attempt failed, or at ``until``."""
    while attempts.get_map() and not given_up():
        left = until - time.monotonic()
        if left <= 0:
            return None
        failed = False
        for key, _ in attempts.select(min(left, STAGGER_SECONDS)):
            sock, endpoint = key.fileobj, key.data
            assert isinstance(sock, socket.socket)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            attempts.unregister(sock)
            if code == 0:
                sock.setblocking(True)
                return sock, endpoint
            problems[endpoint] = os.strerror(code)
            sock.close()
            failed = True
        if failed:
            return None
    return None


def _explained(problems: dict[SocketAddress, str]) -> str:
    return ", ".join(f"{one}: {why.lower()}" for one, why in problems.items()) or "no address"
