"""kubernetes-asyncio is imported when the first caller needs it, in a thread, and not before."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import asyncio, sys, threading

import management.app, proxy.app
from management.caller_client.gate import Gate, OnBehalf, no_gate

LIBRARY = "kubernetes_asyncio"

async def main():
    gate = Gate(no_gate)
    client = gate.client("prod", OnBehalf("bearer", "192.0.2.1", "request-1"))
    assert LIBRARY not in sys.modules
    turns = 0
    async def turn():
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1
    turning = asyncio.ensure_future(turn())
    async with client:
        assert LIBRARY in sys.modules
    turning.cancel()
    print(turns > 10)

asyncio.run(main())
"""


def test_library_is_imported_with_the_first_client_while_the_event_loop_turns() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=Path(__file__).parents[3],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("True\n", "")
