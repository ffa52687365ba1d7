"""Pages of a list and events of a watch, and the limits on one list. Pure."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from management.kubernetes.errors import ApiRequestFailed
from management.kubernetes.manifests import Manifest
from management.kubernetes.validation import (
    MalformedObject,
    checked_items,
    continue_token,
    list_version,
)

MAX_PAGES = 1000
"""Pages of one list. Pages have fewer objects than requested only if the objects are large."""

MAX_ITEMS = 200_000
"""Objects of one list."""

LIST_SECONDS = 120.0
"""How long all pages of one list may take."""


@dataclass(frozen=True, slots=True)
class ListPage:
    """A page of a list.

    ``left_out`` counts malformed objects. ``following`` is the ``continue`` token of the next page;
    empty: this page is the last. ``weight`` estimates the bytes that the page takes in memory.
    """

    items: list[Manifest]
    left_out: int
    version: str
    following: str
    weight: int


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a watch: ``ADDED``, ``MODIFIED``, ``DELETED`` or ``BOOKMARK``."""

    kind: str
    item: Manifest


class ListProgress:
    """The pages of one list so far. It ends lists that have no end."""

    def __init__(
        self,
        path: str,
        max_pages: int = MAX_PAGES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._max_pages = max_pages
        self._clock = clock
        self._deadline = clock() + LIST_SECONDS
        self._items = 0
        self._tokens: set[bytes] = set()

    def page(self, body: dict[str, Any], weight: int) -> ListPage:
        """Return the page in a response.

        Raises:
            ApiRequestFailed: the body is not a page, or the list is over a limit.
        """
        try:
            items, left_out = checked_items(body)
            page = ListPage(items, left_out, list_version(body), continue_token(body), weight)
        except MalformedObject as exc:
            raise ApiRequestFailed(f"{self._path}: the cluster responded with {exc}") from exc
        self._items += len(items) + left_out
        if self._items > MAX_ITEMS:
            raise ApiRequestFailed(f"{self._path}: the list has more than {MAX_ITEMS} objects")
        if page.following:
            self._check_next(page.following)
        return page

    def _check_next(self, token: str) -> None:
        """Raise ApiRequestFailed if the list must not continue with ``token``."""
        digest = sha256(token.encode("utf-8", "surrogatepass")).digest()
        if digest in self._tokens:
            raise ApiRequestFailed(
                f"{self._path}: the list continues with a page that was there before"
            )
        if len(self._tokens) >= self._max_pages:
            raise ApiRequestFailed(f"{self._path}: the list has more than {self._max_pages} pages")
        if self._clock() > self._deadline:
            raise ApiRequestFailed(
                f"{self._path}: the list takes longer than {LIST_SECONDS:g} seconds"
            )
        self._tokens.add(digest)
