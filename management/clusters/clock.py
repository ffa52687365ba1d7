"""The current time, as the default of an argument."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the current time with its time zone, UTC."""
    return datetime.now(UTC)
