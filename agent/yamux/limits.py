"""Limits of a session."""

from dataclasses import dataclass

INITIAL_WINDOW = 256 * 1024
"""Bytes that either side may send on a new stream; fixed by the specification."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of memory and fairness. All sizes are in bytes.

    ``window``: to which size a stream's receive window may grow, while its reader keeps up.
    ``all_windows``: by how much all streams together may grow beyond the initial window.
    ``frame``: the largest payload that is sent in one frame, so that streams take turns.
    ``queue``: what is queued to be sent on one stream.
    ``control``: queued frames without payload. A peer that causes more floods the session.
    ``remote_streams``: open streams that the peer opened.
    """

    window: int = 4 * 1024 * 1024
    all_windows: int = 64 * 1024 * 1024
    frame: int = 32 * 1024
    queue: int = 64 * 1024
    control: int = 64 * 1024
    remote_streams: int = 4096
