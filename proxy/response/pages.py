"""HTML pages of services behind ``proxy``: detect and rewrite them. Pure.

Only complete responses of type ``text/html`` are rewritten, plain or compressed by gzip or deflate,
as the API server's own proxy does. A compressed page is decompressed piece by piece and sent plain.
Its growth in one read is limited.
"""

import zlib
from collections.abc import Sequence

from proxy.response.html_links import HtmlLinks, Rewrite

MAX_GROWTH = 64
"""Largest growth factor of one read of a compressed page."""

MIN_GROWN = 2**20
"""Bytes that one read may always grow to."""

NOT_REWRITTEN = frozenset({204, 206, 304})
"""Statuses of responses without a page, or with a part of one."""


class PageTooDense(Exception):
    """A page grows by more than the limit, or its compression is malformed."""


class RewrittenPage:
    """Rewrites one page, piece by piece."""

    def __init__(self, rewrite: Rewrite, encoding: bytes) -> None:
        self._links = HtmlLinks(rewrite)
        self._encoding = encoding
        self._begun = False
        self._unzip = zlib.decompressobj(31) if encoding == b"gzip" else None

    def feed(self, pieces: Sequence[bytes], *, last: bool) -> bytes:
        """Return the bytes for the client. Raises PageTooDense."""
        data = b"".join(pieces)
        if self._encoding:
            data = self._plain(data, last=last)
        return self._links.feed(data, last=last)

    def _plain(self, data: bytes, *, last: bool) -> bytes:
        if self._unzip is None:
            if not data:
                return b""
            self._unzip = zlib.decompressobj(15 if _has_zlib_head(data) else -15)
        most = max(MIN_GROWN, MAX_GROWTH * len(data))
        try:
            plain = self._unzip.decompress(data, most)
        except zlib.error as exc:
            raise PageTooDense("the page's compression is malformed") from exc
        if self._unzip.unconsumed_tail:
            raise PageTooDense("the page's compression is too dense")
        self._begun = self._begun or bool(data)
        if last and self._begun and not self._unzip.eof:
            raise PageTooDense("the compressed page is incomplete")
        return plain


def _has_zlib_head(data: bytes) -> bool:
    """Return whether "deflate" is that of RFC 9110, and not bare deflate as Go's servers send."""
    return data[0] & 15 == 8 and (len(data) < 2 or int.from_bytes(data[:2], "big") % 31 == 0)


def page_of(
    status: int, headers: Sequence[tuple[bytes, bytes]], rewrite: Rewrite
) -> RewrittenPage | None:
    """Return the rewriter of a response from behind ``proxy``, or None if it is no page."""
    if status in NOT_REWRITTEN:
        return None
    kind = encoding = b""
    for name, value in headers:
        lower = name.lower()
        if lower == b"content-type":
            kind = value.partition(b";")[0].strip().lower()
        elif lower == b"content-encoding":
            encoding += value.strip().lower()
    if kind != b"text/html" or encoding not in {b"", b"identity", b"gzip", b"x-gzip", b"deflate"}:
        return None
    plain = encoding in {b"", b"identity"}
    return RewrittenPage(rewrite, b"" if plain else b"gzip" if encoding == b"x-gzip" else encoding)


CHANGED_BY_REWRITING = frozenset(
    {
        *(b"content-encoding", b"content-md5", b"digest", b"content-digest", b"repr-digest"),
        *(b"accept-ranges", b"etag"),
    }
)
"""Headers that describe the original bytes of a page."""
