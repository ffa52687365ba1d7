"""Durations and failures of the database's uses, as plain numbers. One thread changes them."""

import time
from bisect import bisect_left
from collections.abc import Iterable
from types import TracebackType

from store.errors import StoreUnavailable

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The upper bounds of the histogram's buckets, in seconds."""


class Operation:
    """Statistics of one kind of use: ``buckets`` count durations, the last those above all bounds.

    A duration begins with the wait for a connection and ends with the commit.
    """

    __slots__ = ("buckets", "errors", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BUCKETS) + 1)
        self.errors = 0
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """Add one use."""
        self.seconds += seconds
        self.buckets[bisect_left(BUCKETS, seconds)] += 1


class Measurement:
    """A context that adds its duration to an operation, and counts an unusable database."""

    __slots__ = ("_began", "_operation")

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._began = 0.0

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._operation.add(time.perf_counter() - self._began)
        if isinstance(exc, StoreUnavailable):
            self._operation.errors += 1


class StoreStatistics:
    """Reads and writes of this process since its start."""

    def __init__(self) -> None:
        self.read = Operation()
        self.write = Operation()

    def operations(self) -> Iterable[tuple[str, Operation]]:
        """Return both operations by name."""
        return (("read", self.read), ("write", self.write))
