"""Count the turns of the running event loop, and what is done in each of them."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class LoopTurns:
    """``turn`` is the number of the current turn. ``done`` counts what was done in each turn."""

    def __init__(self) -> None:
        self.turn = 0
        self.done: Counter[int] = Counter()
        self._handle: asyncio.Handle | None = None

    def note(self) -> None:
        """Count one value that is handled in this turn."""
        self.done[self.turn] += 1

    @property
    def most(self) -> int:
        """Return the number of values that were handled in one turn, at most."""
        return max(self.done.values(), default=0)

    @contextmanager
    def counting(self) -> Iterator["LoopTurns"]:
        """Count the turns within the context."""
        self._next()
        try:
            yield self
        finally:
            assert self._handle is not None
            self._handle.cancel()

    def _next(self) -> None:
        self.turn += 1
        self._handle = asyncio.get_running_loop().call_soon(self._next)
