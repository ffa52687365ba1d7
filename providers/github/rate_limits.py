"""GitHub's rate limits in its responses. Pure.

See "Rate limits for the REST API" in GitHub's documentation: a primary limit (``X-RateLimit-*``),
and secondary limits, with ``Retry-After`` or only with a message.
"""

from collections.abc import Mapping

from providers.http.client import retry_after

SECONDARY_SECONDS = 60
"""The delay if GitHub does not state one."""

LONGEST_SECONDS = 3600


def retry_delay(status: int, headers: Mapping[str, str], message: str, now: float) -> int | None:
    """Return the seconds to wait; None if the response is not about a rate limit.

    ``now`` is in seconds since 1970.
    """
    if status not in {403, 429}:
        return None
    seconds = retry_after(headers)
    if seconds is not None:
        return _bounded(seconds)
    if headers.get("X-RateLimit-Remaining") == "0":
        reset = headers.get("X-RateLimit-Reset", "")
        seconds = int(reset) - int(now) if reset.isascii() and reset.isdigit() else 0
        return _bounded(seconds or SECONDARY_SECONDS)
    if status == 429 or "rate limit" in message.lower():
        return SECONDARY_SECONDS
    return None


def _bounded(seconds: int) -> int:
    return max(1, min(seconds, LONGEST_SECONDS))
