"""Which replica of the server is a good place for a tunnel, given the others of this pod. Pure.

Two tunnels to one replica end together. So do two replicas on one machine, if the machine fails.
"""

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple


class Place(NamedTuple):
    """Where a tunnel ends: what the server's ``welcome`` says. Empty names are unknown."""

    replica: str
    machine: str


class Rank(IntEnum):
    """How good a place is. A tunnel moves only to a place of a higher rank."""

    USELESS = 0
    """The tunnel has ended or drains."""
    TAKEN = 1
    """Another tunnel is at this replica, or the replica ends soon."""
    SAME_MACHINE = 2
    """Another tunnel is at this machine."""
    DISTINCT = 3


def rank(place: Place, others: Iterable[Place], draining: Iterable[Place] = ()) -> Rank:
    """Return how good a place is beside the places of other tunnels.

    ``draining`` are places that end soon.
    """
    held = list(others)
    replicas = {one.replica for one in (*held, *draining)}
    if place.replica and place.replica in replicas:
        return Rank.TAKEN
    if place.machine and place.machine in {one.machine for one in held}:
        return Rank.SAME_MACHINE
    return Rank.DISTINCT
