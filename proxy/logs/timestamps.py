"""Format times for logs: RFC 3339 in UTC with microseconds, like Kubernetes' MicroTime. Pure."""

import time
from functools import lru_cache


@lru_cache(maxsize=8)
def _second(epoch: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(epoch))


def rfc3339(epoch: float) -> str:
    """Return ``epoch`` (seconds) as text. The part down to the second is cached."""
    whole = int(epoch)
    return f"{_second(whole)}.{_micros(epoch - whole)}Z"


def decimal(seconds: float) -> str:
    """Return ``seconds`` with six decimal places."""
    whole = int(seconds)
    return f"{whole}.{_micros(seconds - whole)}"


def _micros(part: float) -> str:
    """Return six digits. Each request needs three; ``format`` costs four times as much."""
    return str(1_000_000 + int(part * 1e6))[1:]
