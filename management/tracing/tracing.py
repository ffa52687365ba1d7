"""Decide which operations begin a trace, and whose trace context counts."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from config.trace_settings import TraceSettings
from management.tracing.span import NO_SPAN, Attributes, Kind, Span, active

MAX_TRACEPARENT, MAX_TRACESTATE = 128, 512
"""Characters of the headers of a trace context. Longer ones are not read (W3C Trace Context)."""


@dataclass(frozen=True, slots=True)
class RemoteSpan:
    """A span of another process, as a trace context names it. ``context`` is the source's own."""

    sampled: bool
    context: object


class SpanSource(Protocol):
    """Begins spans that are recorded."""

    def remote(self, traceparent: str, tracestate: str) -> RemoteSpan | None:
        """Parse a trace context (W3C); None if it is not valid."""

    def begin(
        self,
        name: str,
        kind: Kind,
        attributes: Attributes,
        parent: RemoteSpan | None = None,
        link: RemoteSpan | None = None,
    ) -> Span:
        """Begin the span of a new trace, or one below ``parent``. ``link`` is only mentioned."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """The trace context of a request. ``trusted``: it decides whether the request is traced.

    ``inner``: Sekisho itself sent the request. Then no trace context means that it is not traced.
    """

    traceparent: str = ""
    tracestate: str = ""
    trusted: bool = False
    inner: bool = False


class Tracing:
    """Begins traces. One per process, and none if traces are off.

    ``trusted`` are addresses whose trace context counts. ``draw`` returns a number from 0 to 1.
    """

    def __init__(
        self,
        source: SpanSource,
        settings: TraceSettings,
        trusted: Callable[[str], bool],
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._source = source
        self._ratio = settings.ratio
        self._management_ratio = settings.management_ratio
        self._trusted = trusted
        self._draw = draw

    def samples_request(self) -> bool:
        """Return whether to trace the next request to a cluster. Drawn again each time."""
        return self._draw() < self._ratio

    def samples_management(self) -> bool:
        """Return whether to trace the next operation of the management part."""
        return self._draw() < self._management_ratio

    def incoming(
        self,
        traceparents: Sequence[str],
        tracestates: Sequence[str],
        address: str,
        *,
        inner: bool = False,
    ) -> Incoming:
        """Return the trace context of a request that came from ``address``.

        ``traceparents`` and ``tracestates`` are the values of these headers. Two values of the
        first one make it invalid.
        """
        traceparent = traceparents[0] if len(traceparents) == 1 else ""
        tracestate = ",".join(tracestates)
        if len(traceparent) > MAX_TRACEPARENT:
            traceparent = ""
        if len(tracestate) > MAX_TRACESTATE:
            tracestate = ""
        trusted = inner or (bool(traceparent) and self._trusted(address))
        return Incoming(traceparent, tracestate, trusted, inner)

    def begin(
        self, name: str, attributes: Attributes, incoming: Incoming, samples: Callable[[], bool]
    ) -> Span:
        """Begin the span of a request; NO_SPAN if it is not traced.

        A trusted trace context decides. Otherwise ``samples`` does, and the client's trace is only
        mentioned: a client must not decide how much is recorded, nor write into another trace.
        """
        remote = None
        if incoming.trusted:
            remote = self._remote(incoming)
            if remote is not None:
                if not remote.sampled:
                    return NO_SPAN
                return self._source.begin(name, "server", attributes, parent=remote)
        if incoming.inner or not samples():
            return NO_SPAN
        if not incoming.trusted:
            remote = self._remote(incoming)
        return self._source.begin(name, "server", attributes, link=remote)

    @contextmanager
    def operation(self, name: str, attributes: Attributes) -> Iterator[Span]:
        """Trace an operation that no request causes, if it is sampled."""
        if not self.samples_management():
            yield NO_SPAN
            return
        with active(self._source.begin(name, "internal", attributes)) as span:
            yield span

    def _remote(self, incoming: Incoming) -> RemoteSpan | None:
        if not incoming.traceparent:
            return None
        return self._source.remote(incoming.traceparent, incoming.tracestate)


@contextmanager
def operation(tracing: Tracing | None, name: str, attributes: Attributes) -> Iterator[Span]:
    """Trace an operation that no request causes, if traces are on and it is sampled."""
    if tracing is None:
        yield NO_SPAN
        return
    with tracing.operation(name, attributes) as span:
        yield span
