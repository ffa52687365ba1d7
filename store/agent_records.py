"""Records of agents: their tokens, their tunnels, and the replicas that hold those."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

MOST_AGENT_TOKENS = 2
"""Valid agent tokens of a cluster: the one in use, and its successor during a rotation."""


@dataclass(frozen=True, slots=True)
class AgentToken:
    """A token with which agents open tunnels of one cluster, and that grants nothing else.

    ``digest`` is the SHA-256 of the token, which is not stored. ``last_used_at`` is when a tunnel
    was last opened with it (None: never).
    """

    id: str
    cluster_id: str
    digest: bytes = field(repr=False)
    created_at: datetime
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Replica:
    """A process of Sekisho that holds tunnels. ``id`` is random, for each process.

    ``machine`` identifies its host. ``socket`` is the path of the Unix socket on which it accepts
    other processes of that host (empty: none). ``address`` is ``host:port`` for replicas on other
    hosts, which verify exactly ``certificate_pem`` there.
    """

    id: str
    machine: str
    socket: str = ""
    address: str | None = None
    certificate_pem: str | None = field(default=None, repr=False)


class Trust(StrEnum):
    """Whether a tunnel leads to the cluster whose token its agent has.

    ``CHECKING`` and ``REFUSED``: it is not used. ``UNVERIFIED``: it is used if no tunnel of the
    cluster is ``VERIFIED``, and TLS with the API server is all that tells clusters apart.
    """

    CHECKING = "checking"
    UNVERIFIED = "unverified"
    VERIFIED = "verified"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Tunnel:
    """An open tunnel. ``pod``, ``node`` and ``version`` are what the agent calls itself.

    ``reason`` says why ``trust`` is not ``VERIFIED``; empty if there is nothing to compare yet.
    """

    id: str
    cluster_id: str
    replica_id: str
    pod: str
    node: str
    version: str
    since: datetime
    trust: Trust = Trust.UNVERIFIED
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TunnelAt:
    """A tunnel with the replica that holds it."""

    tunnel: Tunnel
    replica: Replica


def agent_token_digest(token: str) -> bytes:
    """Return what is stored of an agent token: its SHA-256."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
