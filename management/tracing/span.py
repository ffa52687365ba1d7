"""The current span, and spans below it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, Protocol

Attributes = Mapping[str, str | int | bool]

Kind = Literal["server", "client", "internal"]
"""Whether a span is about a request to Sekisho, a request by Sekisho, or neither."""

ERROR_TYPE = "error.type"


class Span(Protocol):
    """One operation of a sampled trace."""

    @property
    def trace_id(self) -> str:
        """Return the id of the trace: 32 hex digits."""

    @property
    def running(self) -> bool:
        """Return whether the span has not ended."""

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Return the trace context for requests of this operation, as header lines (W3C)."""

    def child(self, name: str, kind: Kind, attributes: Attributes) -> "Span":
        """Begin a span below this one."""

    def rename(self, name: str) -> None:
        """Replace the name, which was not known at the beginning."""

    def set(self, attributes: Attributes) -> None:
        """Add attributes."""

    def fail(self, error_type: str) -> None:
        """Record that the operation failed. ``error_type`` is one of few words."""

    def end(self) -> None:
        """End the span."""


class _NoSpan:
    """The span of an operation that is not part of a sampled trace."""

    trace_id = ""
    running = False
    headers: tuple[tuple[str, str], ...] = ()

    def child(self, name: str, kind: Kind, attributes: Attributes) -> Span:
        return self

    def rename(self, name: str) -> None: ...

    def set(self, attributes: Attributes) -> None: ...

    def fail(self, error_type: str) -> None: ...

    def end(self) -> None: ...


NO_SPAN: Span = _NoSpan()

_CURRENT: ContextVar[Span] = ContextVar("span", default=NO_SPAN)


def current_span() -> Span:
    """Return the span of the current task, or one that records nothing.

    A task that was started during an operation may outlive it, and is no part of it afterwards.
    """
    span = _CURRENT.get()
    return span if span.running else NO_SPAN


@contextmanager
def active(span: Span) -> Iterator[Span]:
    """Make ``span`` the current one, and end it afterwards. An exception is a failure."""
    token = _CURRENT.set(span)
    try:
        yield span
    except BaseException as exc:
        span.fail(type(exc).__name__)
        raise
    finally:
        _CURRENT.reset(token)
        span.end()


@contextmanager
def child_span(name: str, kind: Kind, attributes: Attributes) -> Iterator[Span]:
    """Begin a span below the current one; without one, record nothing."""
    parent = current_span()
    if parent is NO_SPAN:
        yield NO_SPAN
        return
    with active(parent.child(name, kind, attributes)) as span:
        yield span
