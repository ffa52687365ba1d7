"""``python -m tests.fuzz.keep``: add to the corpus what ``make fuzz`` found that is worth keeping.

Of the inputs in ``.fuzz/corpus``, the shortest first, those are copied that take the gate's code
from one line to another in a way that no input kept before does. (libFuzzer's own ``-merge`` can't
start a fuzzer that is a Python module.)
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

from tests.fuzz.target import PLAIN, Target, target

ROOT = Path(__file__).parents[2]
CORPUS, FOUND = Path(__file__).parent / "corpus", ROOT / ".fuzz" / "corpus"
LOOKED_AT = tuple(str(ROOT / name) + "/" for name in ("proxy", "impersonation", "management"))

Step = tuple[str, int, int]
"""A file, and two of its lines that ran one after the other."""


@contextmanager
def steps(taken: set[Step]) -> Iterator[None]:
    """Collect the steps that are taken meanwhile, on this thread."""

    def called(frame: FrameType, event: str, arg: Any) -> Any:
        file = frame.f_code.co_filename
        if not file.startswith(LOOKED_AT):
            return None
        last = -frame.f_code.co_firstlineno

        def line(frame: FrameType, event: str, arg: Any) -> Any:
            nonlocal last
            taken.add((file, last, frame.f_lineno))
            last = frame.f_lineno
            return line

        return line

    sys.settrace(called)
    try:
        yield
    finally:
        sys.settrace(None)


async def keep(gate: Target) -> int:
    """Copy what is worth it; how many."""
    await gate.run(PLAIN)
    gate.patience = 0.02
    known: set[Step] = set()
    for file in sorted(CORPUS.iterdir()):
        with steps(known):
            await gate.run(file.read_bytes())
    kept = 0
    for file in sorted(FOUND.iterdir(), key=lambda one: one.stat().st_size):
        data, taken = file.read_bytes(), set[Step]()
        with steps(taken):
            await gate.run(data)
        if not taken <= known:
            known |= taken
            kept += 1
            (CORPUS / f"found-{hashlib.sha256(data).hexdigest()[:12]}").write_bytes(data)
    return kept


async def main() -> None:
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        async with target(Path(folder)) as gate:
            print(f"kept {await keep(gate)} inputs")


if __name__ == "__main__":
    asyncio.run(main())
