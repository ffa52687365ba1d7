"""kubectl commands that run until the test ends them."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

TRANSPORTS = pytest.mark.parametrize("websockets", ["true", "false"], ids=["websocket", "spdy"])


@contextmanager
def running(process: "subprocess.Popen[str]") -> Iterator["subprocess.Popen[str]"]:
    """Terminate the process after the block, and kill it after 60 seconds."""
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    with process:
        try:
            yield process
        finally:
            watchdog.cancel()
            process.terminate()


def read_line(process: "subprocess.Popen[str]") -> str:
    """Return the next line of output. Fails at the end of the output."""
    assert process.stdout is not None
    found: str = process.stdout.readline()
    assert found, process.stderr and process.stderr.read()
    return found
