"""What every part of the settings is made of: sections, durations."""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from config.durations import parse_duration


def _duration(value: Any) -> timedelta:
    """A duration. A bare number has no unit, and half of its readers would think of another."""
    if not isinstance(value, str | timedelta):
        raise ValueError("needs a unit; write it like 30s, 8h, 1h30m or 90d")
    duration = parse_duration(value) if isinstance(value, str) else value
    if duration <= timedelta(0):
        raise ValueError("must be longer than nothing")
    return duration


Duration = Annotated[timedelta, BeforeValidator(_duration)]


class Section(BaseModel):
    """A group of settings. What it doesn't know is an error, not a comment."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)
