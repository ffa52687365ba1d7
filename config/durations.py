"""Durations as people write them: ``30s``, ``8h``, ``1h30m``, ``90d``. Pure."""

import re
from datetime import timedelta

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_WHOLE = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.ASCII)
_MOST_SECONDS = 100 * 365 * 86400


def parse_duration(text: str) -> timedelta:
    """A duration of days, hours, minutes and seconds, each at most once, in that order.

    Raises ValueError with a sentence for anything else, for nothing, and for over a century.
    """
    found = _WHOLE.fullmatch(text.strip())
    if found is None or not any(found.groups()):
        raise ValueError(f"{text!r} is not a duration; write it like 30s, 8h, 1h30m or 90d")
    numbers = zip(found.groups(), _UNITS.values(), strict=True)
    seconds = sum(int(number) * unit for number, unit in numbers if number)
    if seconds > _MOST_SECONDS:
        raise ValueError(f"{text!r} is longer than a hundred years")
    return timedelta(seconds=seconds)


def format_duration(duration: timedelta) -> str:
    """The shortest text that :func:`parse_duration` reads as ``duration`` (whole seconds)."""
    left = int(duration.total_seconds())
    parts = []
    for unit, size in _UNITS.items():
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"
