"""Building blocks of the settings: sections, durations, networks. Pure."""

import ipaddress
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
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


ARGUMENTS = "arguments"
"""What marks a list in which the order counts, and an entry may be repeated."""

Command = Annotated[tuple[str, ...], ARGUMENTS]
"""A program and its arguments."""


class Section(BaseModel):
    """A group of settings. An unknown setting is an error, and so is a repeated entry of a list."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    @model_validator(mode="after")
    def _without_repetition(self) -> Self:
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if isinstance(value, tuple) and ARGUMENTS not in field.metadata:
                refuse_repetition(name, value)
        return self


def refuse_repetition(name: str, entries: Sequence[object]) -> None:
    """Raise ValueError if two entries of a list are equal."""
    texts: dict[str, int] = {}  # Lists of texts can be long; what is no text is compared with all.
    for position, one in enumerate(entries):
        text = one if isinstance(one, str) else None
        first = entries.index(one) if text is None else texts.setdefault(text, position)
        if first != position:
            shown = "" if text is None else f" ({text!r})"
            raise ValueError(
                f"{name}: entries {first + 1} and {position + 1} are equal{shown}; remove one"
            )


def refuse_more(section: BaseModel, *pairs: tuple[str, str]) -> None:
    """Raise ValueError if a setting that was given exceeds the one that includes it; 0: no limit.

    ``pairs`` are names of settings. A default that exceeds a smaller limit is bounded by that.
    """
    for part, whole in pairs:
        value, limit = getattr(section, part), getattr(section, whole)
        if part in section.model_fields_set and 0 < limit < value:
            raise ValueError(
                f"{part} is {value}, which is more than {whole} ({limit}); lower it, or raise the "
                f"other"
            )
