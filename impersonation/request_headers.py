"""The header block of the request that Sekisho sends to a cluster's API server. Pure.

The client's forwarded lines come first, then Sekisho's lines, the identity last: no line from a
client follows a line from Sekisho.
"""

from collections.abc import Sequence

CHUNKED = b"Transfer-Encoding: chunked\r\n"


def request_lines(
    forwarded: Sequence[tuple[bytes, bytes]],
    *,
    credential: bytes,
    framing: bytes,
    forwarded_for: bytes,
    identity: bytes,
    request_id: bytes,
) -> bytes:
    """Return every header line but Host, ended by the empty line.

    ``forwarded`` are the client's lines. ``credential`` is the cluster's Authorization line.
    ``framing`` are the lines about the body and about a switch of protocols. ``identity`` is the
    ``Impersonate-*`` block and ``request_id`` its last line. Request line and Host depend on the
    upstream host; see :meth:`proxy.upstream.host.UpstreamHost.request_head`.
    """
    lines = [b"%b: %b\r\n" % line for line in forwarded]
    return b"".join(
        (
            *lines,
            credential,
            framing,
            b"X-Forwarded-For: ",
            forwarded_for,
            b"\r\n",
            identity,
            request_id,
            b"\r\n",
        )
    )


def body_framing(length: bytes | None, *, chunked: bool) -> bytes:
    """Return the lines that frame the request's body, RFC 9112 §6."""
    if chunked:
        return CHUNKED
    return b"" if length is None else b"Content-Length: " + length + b"\r\n"


def upgrade_framing(protocol: bytes) -> bytes:
    """Return the lines that request a switch of protocols, RFC 9110 §7.8."""
    return b"Connection: Upgrade\r\nUpgrade: " + protocol + b"\r\n"
