"""Parse server-sent events (WHATWG HTML §9.2.6). Pure."""

from dataclasses import dataclass

MAX_DATA_BYTES = 1024 * 1024
"""Limit for the data of one event. Sekisho sends one object in each."""


class EventTooLarge(ValueError):
    """The data of an event exceed the limit."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event: its type and its data."""

    kind: str
    data: str


class EventParser:
    """Collect the lines of a stream into events.

    ``last_id`` is the id of the last complete event, for the header Last-Event-ID.
    """

    def __init__(self, last_id: str = "") -> None:
        self.last_id = last_id
        self._id = last_id
        self._kind = ""
        self._data: list[str] = []
        self._size = 0

    def feed(self, line: bytes) -> Event | None:
        """Take one line without its end. Return the event that it completes.

        Raises EventTooLarge.
        """
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        text = value.decode("utf-8", "replace")
        if name == b"event":
            self._kind = text
        elif name == b"id":
            self._id = text
        elif name == b"data":
            self._size += len(value)
            if self._size > MAX_DATA_BYTES:
                raise EventTooLarge(f"an event over {MAX_DATA_BYTES} bytes")
            self._data.append(text)
        return None

    def _dispatch(self) -> Event | None:
        event = Event(self._kind or "message", "\n".join(self._data)) if self._data else None
        self._kind, self._data, self._size = "", [], 0
        self.last_id = self._id
        return event
