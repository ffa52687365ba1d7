"""What is shown of one kind of object. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from proxy.cli.common import CommandFailed, plain

Item = Mapping[str, Any]
Value = Callable[[Item], object]

UNKNOWN = "?"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, and a field's name or a function. ``wide``: for ``-o wide``."""

    heading: str
    value: str | Value
    wide: bool = False

    def cell(self, item: Item) -> str:
        """Return the text of the cell for an item; UNKNOWN if the item has another form.

        A server of another version may leave out what this one sends.
        """
        if isinstance(self.value, str):
            return text_of(item.get(self.value))
        try:
            return text_of(self.value(item))
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, CommandFailed):
            return UNKNOWN


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object. ``noun/<field name>`` is printed with ``-o name``, or ``full_name``."""

    noun: str
    columns: tuple[Column, ...]
    name: str = "name"
    key: str = "id"
    """The field that identifies an object in a list."""
    full_name: Callable[[Item], str] | None = None

    def shown(self, *, wide: bool) -> tuple[Column, ...]:
        """Return the columns of the table."""
        return tuple(one for one in self.columns if wide or not one.wide)

    def name_of(self, item: Item) -> str:
        """Return the object's name with its kind, like kubectl."""
        if self.full_name is not None:
            return plain(self.full_name(item))
        return plain(f"{self.noun}/{item.get(self.name)}")


def ranks_of(kind: Kind, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> Sequence[int]:
    """Return how late each column is cut: names and ids last, for other commands need them.

    A time without its end says little, so times are cut after texts.
    """
    return [
        2
        if one.value in {kind.name, "id"}
        else int(any(_TIME.fullmatch(row[number]) for row in rows))
        for number, one in enumerate(columns)
    ]


_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?")


def text_of(value: object) -> str:
    """Return a value as the text of a cell."""
    if value is None or value == "" or value == [] or value == {}:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return plain(", ".join(f"{key}={text_of(one)}" for key, one in value.items()))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return plain(", ".join(text_of(one) for one in value))
    return plain(str(value))


def time_of(field: str, missing: str = "") -> Value:
    """Return a function for the time in a field, to the minute in this machine's time zone."""

    def shown(item: Item) -> str:
        return local_time(item.get(field)) or missing

    return shown


def second_of(field: str) -> Value:
    """Return a function for the time in a field, to the second in this machine's time zone."""

    def shown(item: Item) -> str:
        when = _parsed(item.get(field))
        return f"{when.astimezone():%Y-%m-%d %H:%M:%S}" if when is not None else ""

    return shown


def local_time(text: object) -> str:
    """Return an ISO time to the minute in this machine's time zone; empty if it is none."""
    when = _parsed(text)
    return f"{when.astimezone():%Y-%m-%d %H:%M}" if when is not None else ""


def age_of(field: str, missing: str = "") -> Value:
    """Return a function for the time since the time in a field, like kubectl: ``5d``, ``3h``."""

    def shown(item: Item) -> str:
        when = _parsed(item.get(field))
        return missing if when is None else age(datetime.now(UTC) - when)

    return shown


def age(since: Any) -> str:
    """Return a duration with one unit."""
    seconds = max(0, int(since.total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _parsed(text: object) -> datetime | None:
    try:
        when = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return when if when.tzinfo is not None else None
