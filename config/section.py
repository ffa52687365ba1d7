"""Building blocks of the settings: sections, durations, networks. Pure."""

import ipaddress
from datetime import timedelta
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    WithJsonSchema,
)

from config.durations import format_duration, parse_duration, parse_lag


def _duration(value: Any) -> timedelta:
    """Validate a duration. A bare number is rejected: readers would assume different units."""
    if not isinstance(value, str | timedelta):
        raise ValueError("needs a unit; write it like 30s, 8h, 1h30m or 90d")
    duration = parse_duration(value) if isinstance(value, str) else value
    if duration <= timedelta(0):
        raise ValueError("must be longer than zero")
    return duration


def _lag(value: Any) -> timedelta:
    """Validate a duration that may be zero, and may be in milliseconds."""
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError("needs a unit; write it like 30ms or 1s")
    try:
        return parse_lag(value)
    except ValueError:
        raise ValueError(f"{value!r} is not a duration; write it like 30ms or 1s") from None


def _networks(value: tuple[str, ...]) -> tuple[str, ...]:
    for one in value:
        try:
            ipaddress.ip_network(one)
        except ValueError:
            raise ValueError(f"{one!r} is not an address or network like 10.0.0.0/8") from None
    return value


Lag = Annotated[timedelta, BeforeValidator(_lag)]
Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["30s", "8h", "1h30m", "90d"]}),
]
"""A duration as text, in both directions: ``30s``."""

Networks = Annotated[tuple[str, ...], AfterValidator(_networks)]
"""Addresses and networks in CIDR notation, as text."""


class Section(BaseModel):
    """A group of settings. An unknown setting is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)
