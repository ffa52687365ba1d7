"""Waiting for what happens elsewhere: never longer than needed, never for ever."""

import time
from collections.abc import Callable


def until(condition: Callable[[], bool], seconds: float = 20.0, what: str = "it") -> None:
    """Return as soon as ``condition`` holds; fail where it doesn't within ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen in {seconds:g} s"
        time.sleep(0.02)
