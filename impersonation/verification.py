"""Final verification of a request's header block: the bytes that are about to be sent. Pure.

The block contains forwarded lines and then Sekisho's lines (:mod:`impersonation.request_headers`).
The verification does not rely on that. It reads the finished bytes as the most careless server
might: without regard to case, and with ``_`` equal to ``-``. The lines about identity, credential
and body framing must be where Sekisho writes them, and nowhere else. If a filter before it has a
defect, then nothing is sent, instead of another user's identity.

It takes 2.2 µs for the six lines that kubectl sends (3 µs if they are not in the cache), and 2 µs
more for an identity with a thousand groups: the identity's lines are compared as a whole, and only
the lines before them are searched.
"""

import re
from functools import lru_cache

# CR is deleted and NUL becomes a line end, so that both change the number of lines.
_FOLDED = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ_\0", b"abcdefghijklmnopqrstuvwxyz-\n")

_FORBIDDEN = re.compile(
    # A line that begins with white space continues the line before it (obsolete folding). An empty
    # line ends the header block.
    rb"\n(?:[\0- :]|impersonate|x-forwarded-|x-remote-|proxy-"
    rb"|(?:authorization|host|connection|upgrade|content-length|transfer-encoding|te|trailer"
    rb"|expect|cookie|forwarded)[\0- :])"
)

_SEKISHO_LINES = re.compile(
    rb"(?:Transfer-Encoding: chunked\r\n|Content-Length: [0-9]+\r\n"
    rb"|Connection: Upgrade\r\nUpgrade: [!-~]+\r\n)?X-Forwarded-For: [!-~]*\r\n"
)

_CREDENTIAL = b"Authorization: Bearer "
_IDENTITY = b"Impersonate-User: "
_REQUEST_ID = b"Impersonate-Extra-Requestid: "


MAX_CACHED_BYTES = 2048
"""Longer lines are not cached: they are rare, and a cache of them would be large."""


class IdentityMismatch(Exception):
    """The header block must not be sent. The message contains no header values."""


def verify_request_headers(
    lines: bytes, *, credential: bytes, identity: bytes, request_id: bytes
) -> None:
    """Raise IdentityMismatch unless ``lines`` are forwarded lines, then Sekisho's, in order.

    ``lines`` is the result of :func:`impersonation.request_headers.request_lines`. The other
    parameters are its arguments: the cluster's Authorization line, the ``Impersonate-*`` block, and
    the last line of that block.
    """
    if not identity.startswith(_IDENTITY) or not request_id.startswith(_REQUEST_ID):
        raise IdentityMismatch("the identity is missing")
    end = b"%b%b\r\n" % (identity, request_id)
    if not lines.endswith(end):
        raise IdentityMismatch("the header block does not end with the caller's identity")
    identity_start = len(lines) - len(end)
    forwarded_end = lines.rfind(_CREDENTIAL, 0, identity_start)
    if not lines.startswith(credential, max(forwarded_end, 0)):
        raise IdentityMismatch("the header block does not contain the cluster's credential")
    if not _SEKISHO_LINES.fullmatch(lines, forwarded_end + len(credential), identity_start):
        raise IdentityMismatch("a line between credential and identity is not Sekisho's")
    forwarded = lines[:forwarded_end]
    if forwarded_end <= MAX_CACHED_BYTES:
        _verify_forwarded_cached(forwarded)
    else:
        _verify_forwarded(forwarded)


def _verify_forwarded(forwarded: bytes) -> None:
    """Raise IdentityMismatch unless these are whole lines that a client may send."""
    folded = b"\n" + forwarded.translate(_FOLDED, b"\r")
    ends = forwarded.count(b"\r\n")
    if not len(forwarded) + 1 - len(folded) == folded.count(b"\n") - 1 == ends:
        raise IdentityMismatch("a forwarded line contains another line")
    found = _FORBIDDEN.search(folded, 0, len(folded) - 1)
    if found:
        raise IdentityMismatch(f"a line that only Sekisho may write is forwarded: {found[0]!r}")
    if not folded.endswith(b"\n"):
        raise IdentityMismatch("the last forwarded line runs into Sekisho's lines")


_verify_forwarded_cached = lru_cache(maxsize=1024)(_verify_forwarded)
"""Clients send the same lines repeatedly. Only lines that passed are cached."""
