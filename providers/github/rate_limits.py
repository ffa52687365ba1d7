"""GitHub's rate limits, as its answers tell of them. Pure.

"Rate limits for the REST API" in GitHub's documentation: a primary limit (``X-RateLimit-*``), and
secondary ones, which may come with ``Retry-After`` or say so in words only.
"""

from collections.abc import Mapping

from providers.http_client import retry_after

SECONDARY_SECONDS = 60
"""How long to wait where GitHub doesn't say."""

LONGEST_SECONDS = 3600


def wait_after(status: int, headers: Mapping[str, str], message: str, now: float) -> int | None:
    """Seconds to wait before asking again; None where the answer is about no limit.

    ``now`` in seconds since the epoch.
    """
    if status not in {403, 429}:
        return None
    told = retry_after(headers)
    if told is not None:
        return _bounded(told)
    if headers.get("X-RateLimit-Remaining") == "0":
        reset = headers.get("X-RateLimit-Reset", "")
        seconds = int(reset) - int(now) if reset.isascii() and reset.isdigit() else 0
        return _bounded(seconds or SECONDARY_SECONDS)
    if status == 429 or "rate limit" in message.lower():
        return SECONDARY_SECONDS
    return None


def _bounded(seconds: int) -> int:
    return max(1, min(seconds, LONGEST_SECONDS))
