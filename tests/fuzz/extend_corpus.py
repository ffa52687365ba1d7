"""``python -m tests.fuzz.extend_corpus``: add inputs that ``make fuzz`` found to the corpus.

Reads ``.fuzz/corpus``, shortest inputs first, and copies each input that covers a new edge (a step
from one line to another) of the proxy's code. libFuzzer's ``-merge`` cannot do this, because it
can't start a fuzzer that is a Python module.
"""

import asyncio
import hashlib
import logging
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from tests.fuzz.target import VALID_REQUEST, Target, target

ROOT = Path(__file__).parents[2]
CORPUS, FOUND = Path(__file__).parent / "corpus", ROOT / ".fuzz" / "corpus"
TRACED = tuple(str(ROOT / name) + "/" for name in ("proxy", "impersonation", "management"))

Edge = tuple[str, int, int]
"""A file and two of its lines that ran one after the other."""


@contextmanager
def trace_edges(edges: set[Edge]) -> Iterator[None]:
    """Collect the edges that run on this thread inside the ``with`` block."""

    def called(frame: FrameType, event: str, arg: Any) -> Any:
        file = frame.f_code.co_filename
        if not file.startswith(TRACED):
            return None
        last = -frame.f_code.co_firstlineno

        def line(frame: FrameType, event: str, arg: Any) -> Any:
            nonlocal last
            edges.add((file, last, frame.f_lineno))
            last = frame.f_lineno
            return line

        return line

    sys.settrace(called)
    try:
        yield
    finally:
        sys.settrace(None)


async def extend(proxy: Target) -> int:
    """Copy inputs with new edges to the corpus; return their number."""
    await proxy.run(VALID_REQUEST)
    proxy.idle_timeout = 0.02
    covered: set[Edge] = set()
    for file in sorted(CORPUS.iterdir()):
        with trace_edges(covered):
            await proxy.run(file.read_bytes())
    added = 0
    for file in sorted(FOUND.iterdir(), key=lambda one: one.stat().st_size):
        data, edges = file.read_bytes(), set[Edge]()
        with trace_edges(edges):
            await proxy.run(data)
        if not edges <= covered:
            covered |= edges
            added += 1
            (CORPUS / f"found-{hashlib.sha256(data).hexdigest()[:12]}").write_bytes(data)
    return added


async def main() -> None:
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        async with target(Path(folder)) as proxy:
            print(f"added {await extend(proxy)} inputs")


if __name__ == "__main__":
    asyncio.run(main())
