"""Times in logs: RFC 3339 in UTC, with microseconds, as Kubernetes' MicroTime is written. Pure."""

import time
from functools import lru_cache


@lru_cache(maxsize=8)
def _second(epoch: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(epoch))


def rfc3339(epoch: float) -> str:
    """``epoch`` (seconds) as text. The part down to the second is kept: many fall into one."""
    whole = int(epoch)
    return f"{_second(whole)}.{_micros(epoch - whole)}Z"


def decimal(seconds: float) -> str:
    """``seconds`` with six places."""
    whole = int(seconds)
    return f"{whole}.{_micros(seconds - whole)}"


def _micros(part: float) -> str:
    """Six digits: every request is told with three of them, and a format costs four times that."""
    return str(1_000_000 + int(part * 1e6))[1:]
