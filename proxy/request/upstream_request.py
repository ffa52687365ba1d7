"""The request as a cluster receives it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """A request as a cluster receives it: ``lines`` are all header lines except Host.

    ``max_body`` is the largest body, in bytes. ``may_delay_response``: the header block of the
    response may take any time.
    """

    method: str
    target: str
    lines: bytes
    has_body: bool
    chunked: bool
    expects_continue: bool
    max_body: int = 2**63
    may_delay_response: bool = False
