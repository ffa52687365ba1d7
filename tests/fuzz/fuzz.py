"""``make fuzz``: search for input bytes that make the proxy send what it must not send.

libFuzzer (through atheris) mutates the inputs in ``tests/fuzz/corpus`` and keeps those that reach
new code in ``.fuzz/corpus``. Arguments are passed to libFuzzer. Inputs that fail are written to
``.fuzz`` as ``crash-…``. Copy them to the corpus, which :mod:`tests.fuzz.test_corpus` runs.

    make fuzz                    ten minutes
    make fuzz FUZZ_SECONDS=60    one
    python -m tests.fuzz.extend_corpus    afterwards: add useful inputs to the corpus
"""

import asyncio
import logging
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["proxy", "impersonation", "management"]):
    from tests.fuzz.target import VALID_REQUEST, target


def main() -> None:
    logging.disable(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    with tempfile.TemporaryDirectory() as folder:
        running = target(Path(folder))
        proxy = loop.run_until_complete(running.__aenter__())
        loop.run_until_complete(proxy.run(VALID_REQUEST))  # The first token lookup is slow.
        proxy.idle_timeout = 0.02
        atheris.Setup(sys.argv, lambda data: loop.run_until_complete(proxy.run(data)))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
