"""The faults of bench.failover, and their repair."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.failover_stand import Replica, Stand

PROMOTION_SECONDS = 5.0
"""From the loss of the primary server until its standby is promoted, as an operator's tool does
after a number of failed checks."""

Fault = Callable[[Stand, Replica], Iterator[None]]


@dataclass(frozen=True, slots=True)
class Case:
    """A fault that holds for ``seconds``. ``fault`` begins it, yields, and repairs it.

    It gets the replica whose controllers lead the cluster.
    """

    name: str
    seconds: float
    fault: Fault


@contextmanager
def fault(case: Case, stand: Stand, leader: Replica) -> Iterator[None]:
    """Let the fault hold inside the ``with`` block."""
    steps = case.fault(stand, leader)
    next(steps)
    yield
    next(steps, None)


def _killed(stand: Stand, replica: Replica) -> Iterator[None]:
    process = replica.sekisho.process
    assert process is not None
    process.kill()
    yield
    process.wait()
    replica.sekisho.start()


def _stopped(stand: Stand, replica: Replica) -> Iterator[None]:
    assert replica.sekisho.process is not None
    replica.sekisho.process.send_signal(signal.SIGTERM)
    yield
    replica.sekisho.process.wait(120)
    replica.sekisho.start()


def _frozen(stand: Stand, replica: Replica) -> Iterator[None]:
    assert replica.sekisho.process is not None
    replica.sekisho.process.send_signal(signal.SIGSTOP)
    yield
    replica.sekisho.process.send_signal(signal.SIGCONT)


def _cut_off(stand: Stand, replica: Replica) -> Iterator[None]:
    for relay in replica.relays:
        relay.refuse()
    yield
    for relay in replica.relays:
        relay.clear_faults()


def _silenced(stand: Stand, replica: Replica) -> Iterator[None]:
    for relay in replica.relays:
        relay.stall()
    yield
    for relay in replica.relays:
        relay.clear_faults()


def _failed_over(stand: Stand, replica: Replica) -> Iterator[None]:
    """Stop the primary server, and promote its standby; then they have changed places."""
    old, new = stand.primary, 1 - stand.primary
    stand.databases.stop(old)
    time.sleep(PROMOTION_SECONDS)
    stand.databases.promote(new)
    stand.primary = new
    yield
    stand.databases.rejoin(old, new)


def _lost(stand: Stand, replica: Replica) -> Iterator[None]:
    """Lose the primary server's machine without a word, and promote its standby."""
    old, new = stand.primary, 1 - stand.primary
    for one in stand.replicas:
        one.relays[old].stall()
    time.sleep(PROMOTION_SECONDS)
    stand.databases.promote(new)
    stand.primary = new
    yield
    stand.databases.stop(old)
    for one in stand.replicas:
        one.relays[old].clear_faults()
    stand.databases.rejoin(old, new)


def _down(stand: Stand, replica: Replica) -> Iterator[None]:
    stand.databases.stop(stand.primary)
    yield
    stand.databases.start(stand.primary)


CASES = (
    Case("a replica is killed (SIGKILL)", 20, _killed),
    Case("a replica is stopped (SIGTERM)", 20, _stopped),
    Case("a replica is frozen (SIGSTOP)", 20, _frozen),
    Case("a replica's connections to PostgreSQL are refused", 20, _cut_off),
    Case("a replica's connections to PostgreSQL are silent", 20, _silenced),
    Case(
        "PostgreSQL's primary server is stopped, its standby promoted 5 s later", 20, _failed_over
    ),
    Case("PostgreSQL's primary server is silent, its standby promoted 5 s later", 30, _lost),
    Case("PostgreSQL is down for 30 s", 30, _down),
)
