"""The protocol between replicas: one line in each direction, then the bytes of a stream. Pure.

A replica connects to the one that holds a tunnel, and sends one line::

    CONNECT <cluster id> sekisho-peer/1 <caller> <holder> <milliseconds> <time> <nonce> <proof>

``caller`` and ``holder`` are the ids of the two replicas, ``milliseconds`` is how long the caller
waits, ``time`` is in seconds since 1970. ``proof`` is a code over everything before it
(:mod:`.peer_proof`). The holder responds with a line, ``<code>[ <kind> <reason>]``. After ``200``,
all bytes belong to the stream. The caller sends nothing between its line and the response.
"""

import re
import secrets
from dataclasses import dataclass, field
from typing import Self

from config.dialing import DialFailed

MAX_LINE_BYTES = 1024
"""The maximum length of a line, with its end. A request takes about 300 bytes."""

CONNECTED_LINE = b"200\n"
NO_TUNNEL, NOT_PROVEN, FAILED = 404, 403, 502

_MAX_REASON_BYTES = 512
_ID = rb"([A-Za-z0-9_.-]{1,64})"
_REQUEST = re.compile(
    rb"CONNECT " + _ID + rb" sekisho-peer/1 " + _ID + b" " + _ID + rb" ([0-9]{1,9}) ([0-9]{1,12})"
    rb" ([0-9a-f]{32})"
)
_RESPONSE = re.compile(r"([0-9]{3}) ([a-z_]{1,32}) (.*)")
_KINDS = frozenset({"no_agent", "refused", "timeout", "limit", "failed"})


class MalformedLine(Exception):
    """A line is not one of this protocol."""


@dataclass(frozen=True, slots=True)
class PeerRequest:
    """A request for a stream to a cluster. ``milliseconds`` is how long the caller waits."""

    cluster_id: str
    caller: str
    holder: str
    milliseconds: int
    time: int
    nonce: str = field(default_factory=lambda: secrets.token_hex(16))

    def encode(self) -> bytes:
        """Return what the proof covers: the line up to the proof."""
        fields = (self.caller, self.holder, self.milliseconds, self.time, self.nonce)
        return f"CONNECT {self.cluster_id} sekisho-peer/1 {' '.join(map(str, fields))}".encode()

    @classmethod
    def parse(cls, covered: bytes) -> Self:
        """Parse what :meth:`encode` returns. Raises MalformedLine."""
        found = _REQUEST.fullmatch(covered)
        if found is None:
            raise MalformedLine("not a request of sekisho-peer/1")
        cluster_id, caller, holder, milliseconds, time, nonce = (
            one.decode() for one in found.groups()
        )
        return cls(cluster_id, caller, holder, int(milliseconds), int(time), nonce)


def request_line(covered: bytes, proof: str) -> bytes:
    """Return the line of a request with its proof."""
    return covered + b" " + proof.encode() + b"\n"


def split_proof(line: bytes) -> tuple[bytes, str]:
    """Return what the proof of a request's line covers, and the proof."""
    covered, _, proof = line.removesuffix(b"\n").rpartition(b" ")
    return covered, proof.decode("ascii", "replace")


def failure_line(code: int, failure: DialFailed) -> bytes:
    """Return the response for a stream that was not connected."""
    reason = " ".join(str(failure).split()).encode()[:_MAX_REASON_BYTES]
    return f"{code} {failure.kind} ".encode() + reason + b"\n"


def parse_failure(line: bytes) -> DialFailed:
    """Return the failure of a response. A line that is not understood is one, too."""
    found = _RESPONSE.fullmatch(line.removesuffix(b"\n").decode(errors="replace"))
    if found is None:
        return DialFailed("failed", "the replica with the tunnel sent no valid response")
    kind = found[2] if found[2] in _KINDS else "failed"
    plain = "".join(one if one.isprintable() else " " for one in found[3])
    return DialFailed(kind, plain)
