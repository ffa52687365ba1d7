"""Run a server for the length of a block, and end those that a failed test leaves behind."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

import pytest


class Server(Protocol):
    """What is started, and ended unless it has ended. A start that fails leaves nothing behind."""

    @property
    def is_running(self) -> bool:
        """Return whether it was started and has not ended."""

    def start(self) -> None:
        """Start, and wait until it is ready."""

    def end(self) -> None:
        """Stop, if it still runs."""

    def kill(self) -> None:
        """End without a stop, if it still runs."""


S = TypeVar("S", bound=Server)

_STARTED: list[Server] = []


@contextmanager
def running(server: S) -> Iterator[S]:
    """Start a server. At the end of the block, stop it, unless the block has ended it."""
    server.start()
    try:
        yield server
    finally:
        server.end()


def note_started(server: Server) -> None:
    """Remember a server, so that it is ended if the test that starts it fails."""
    _STARTED[:] = [one for one in _STARTED if one is not server and one.is_running]
    _STARTED.append(server)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """Kill the servers that a failed test has started. Those of fixtures go on.

    One that went on would change the cluster that the next tests use, too.
    """
    before = [id(one) for one in _STARTED if one.is_running]
    try:
        return (yield)
    except BaseException:
        for one in _STARTED:
            if id(one) not in before:
                one.kill()
        raise
