"""Writing the head of the request that a cluster's API server sees. Pure.

Built from what goes on, then the lines that are ours, identity last: nothing that a client sent
comes after what we stamped.
"""

from collections.abc import Sequence

CHUNKED = b"Transfer-Encoding: chunked\r\n"


def request_lines(
    passed: Sequence[tuple[bytes, bytes]],
    *,
    credential: bytes,
    framing: bytes,
    forwarded_for: bytes,
    identity: bytes,
    request_id: bytes,
) -> bytes:
    """Every header line but Host, ended by the empty line.

    ``credential`` is the cluster's Authorization line, ``framing`` says how the body is sent (and
    which protocol to switch to), ``identity`` is the ``Impersonate-*`` block and ``request_id`` its
    last line. Request line and Host differ from master to master; see
    :meth:`proxy.pool.Master.request_head`.
    """
    lines = [b"%b: %b\r\n" % line for line in passed]
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
    """The lines that say how the request's body is sent, RFC 9112 §6."""
    if chunked:
        return CHUNKED
    return b"" if length is None else b"Content-Length: " + length + b"\r\n"


def upgrade_framing(protocol: bytes) -> bytes:
    """The lines that ask to switch protocols, RFC 9110 §7.8."""
    return b"Connection: Upgrade\r\nUpgrade: " + protocol + b"\r\n"
