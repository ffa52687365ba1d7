"""Durations in text: ``30s``, ``8h``, ``1h30m``, ``90d``, and ``30ms`` for lags. Pure."""

import re
from datetime import timedelta

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_WHOLE = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.ASCII)
_MILLISECONDS = re.compile(r"(\d+)ms", re.ASCII)
_MOST_SECONDS = 100 * 365 * 86400


def parse_duration(text: str) -> timedelta:
    """Parse days, hours, minutes and seconds, each at most once, in that order.

    Raises:
        ValueError: the text is not a duration, is empty, or is more than a hundred years. The
            message is a sentence.
    """
    found = _WHOLE.fullmatch(text.strip())
    if found is None or not any(found.groups()):
        raise ValueError(f"{text!r} is not a duration; write it like 30s, 8h, 1h30m or 90d")
    numbers = zip(found.groups(), _UNITS.values(), strict=True)
    seconds = sum(int(number) * unit for number, unit in numbers if number)
    if seconds > _MOST_SECONDS:
        raise ValueError(f"{text!r} is longer than a hundred years")
    return timedelta(seconds=seconds)


def parse_lag(text: str) -> timedelta:
    """Parse a duration that may also be in milliseconds: ``30ms``, ``1s``.

    Raises:
        ValueError: the text is not a duration. The message names the cause and the format.
    """
    found = _MILLISECONDS.fullmatch(text.strip())
    if found is None:
        return parse_duration(text)
    milliseconds = int(found[1])
    if milliseconds > _MOST_SECONDS * 1000:
        raise ValueError(f"{text!r} is longer than a hundred years")
    return timedelta(milliseconds=milliseconds)


def format_duration(duration: timedelta) -> str:
    """Return the shortest text that :func:`parse_duration` parses as ``duration``."""
    left = int(duration.total_seconds())
    parts = []
    for unit, size in _UNITS.items():
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"
