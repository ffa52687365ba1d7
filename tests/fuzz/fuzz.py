"""``make fuzz``: look for a connection's bytes that make the gate send what it must not send.

libFuzzer (through atheris) mutates the inputs in ``tests/fuzz/corpus`` and keeps those that reach
new code in ``.fuzz/corpus``. Arguments are libFuzzer's own. What breaks is written to ``.fuzz`` as
``crash-…``: copy it to the corpus, where :mod:`tests.fuzz.test_corpus` runs it ever after.

    make fuzz                    ten minutes
    make fuzz FUZZ_SECONDS=60    one
    python -m tests.fuzz.keep    afterwards: keep what is worth it
"""

import asyncio
import logging
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["proxy", "impersonation", "management"]):
    from tests.fuzz.target import PLAIN, target


def main() -> None:
    logging.disable(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    with tempfile.TemporaryDirectory() as folder:
        running = target(Path(folder))
        gate = loop.run_until_complete(running.__aenter__())
        loop.run_until_complete(
            gate.run(PLAIN)
        )  # The token is looked up once, which takes a while.
        gate.patience = 0.02
        atheris.Setup(sys.argv, lambda data: loop.run_until_complete(gate.run(data)))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
