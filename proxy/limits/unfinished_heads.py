"""Incomplete header blocks: stored once, as bytes, and within a memory budget.

A request may have a header block of a mebibyte, as with an API server, before its caller is known.
So it is stored as bytes until it is complete and only then parsed, and all connections together
share a budget.
"""

from aiohttp.http_exceptions import HttpProcessingError

_END = b"\r\n\r\n"

FREE_BYTES = 16 * 1024
"""Bytes of a header block that each connection may store outside the budget."""

BUDGET_BYTES = 64 * 1024**2
"""Bytes that all connections of a process may store beyond that."""


class TooManyHeads(HttpProcessingError):
    """The incomplete header blocks of all clients use up the budget."""

    code = 503


class HeadBudget:
    """Budget of a process for incomplete header blocks. ``limit`` is in bytes."""

    __slots__ = ("_left",)

    def __init__(self, limit: int = BUDGET_BYTES) -> None:
        self._left = limit

    def take(self, before: int, after: int) -> bool:
        """Let a header block grow from ``before`` to ``after`` bytes. False if over budget."""
        more = max(after - FREE_BYTES, 0) - max(before - FREE_BYTES, 0)
        if more > self._left:
            return False
        self._left -= more
        return True

    def give_back(self, size: int) -> None:
        """Release the bytes of a header block of ``size`` bytes."""
        self._left += max(size - FREE_BYTES, 0)


class UnfinishedHead:
    """The bytes of a header block so far, in pieces as received. ``size`` is their number."""

    __slots__ = ("_lines", "_open_line", "_pieces", "_tail", "size")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._tail = b""
        self._lines = 0
        self._open_line = 0
        self.size = 0

    def add(self, data: bytes) -> None:
        """Store ``data``. The time does not depend on the bytes that are stored already."""
        seam = self._tail[-1:] + data
        self._lines += seam.count(b"\r\n")
        end = data.rfind(b"\n")
        self._open_line = self._open_line + len(data) if end < 0 else len(data) - end - 1
        self._pieces.append(data)
        self._tail = (self._tail + data[-3:])[-3:]
        self.size += len(data)

    def ends_in(self, data: bytes) -> bool:
        """Return whether ``data`` completes the header block."""
        return _END in self._tail + data

    def may_go_on(self, data: bytes, *, max_line: int, max_lines: int) -> bool:
        """Return whether the stored bytes and ``data`` can still become a header block.

        False for a single CR or LF, a line that is too long, and too many lines: the parser
        responds to them.
        """
        seam = self._tail[-1:] + data
        crlf = seam.count(b"\r\n")
        if seam.count(b"\n") != crlf + self._tail.endswith(b"\n"):
            return False
        if seam.count(b"\r") != crlf + seam.endswith(b"\r"):
            return False
        first = data.find(b"\r\n")
        longest = self._open_line + (len(data) if first < 0 else first)
        return longest <= max_line and self._lines + crlf <= max_lines

    def joined(self, data: bytes) -> bytes:
        """Return all bytes, with ``data`` at the end."""
        return b"".join((*self._pieces, data))


def begins_a_request(data: bytes) -> bool:
    """Return whether ``data`` looks like the start of a header block (RFC 9112 §3)."""
    method, space, target = data[:32].partition(b" ")
    return method.isalpha() and method.isupper() and (not space or target[:1] in {b"", b"/"})
