"""Spans of OpenTelemetry's SDK. Imported only if traces are on: the SDK is an optional extra."""

import platform
from collections.abc import Mapping

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from config.trace_settings import TraceSettings
from management.tracing.export_counts import ExportCounts
from management.tracing.opentelemetry_export import BoundedProcessor, otlp_exporter
from management.tracing.span import ERROR_TYPE, NO_SPAN, Attributes, Kind, Span
from management.tracing.tracing import RemoteSpan

MAX_VALUE = 256
"""Characters of an attribute, which may be the name of an object or of a user."""

_LIMITS = SpanLimits(
    max_attributes=32,
    max_events=0,
    max_links=1,
    max_link_attributes=0,
    max_event_attributes=0,
    max_attribute_length=MAX_VALUE,
    max_span_attribute_length=MAX_VALUE,
)
_KINDS = {
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "internal": SpanKind.INTERNAL,
}
_W3C = TraceContextTextMapPropagator()


class OpenTelemetrySpans:
    """Begins spans and exports them in a thread. One per process; :meth:`close` is called once.

    ``build`` are attributes of the build, and of this process among others. What is traced is
    decided before, so that an operation that is not traced costs nothing here.
    """

    def __init__(
        self,
        settings: TraceSettings,
        build: Mapping[str, str],
        exporter: SpanExporter | None = None,
    ) -> None:
        self.counts = ExportCounts()
        self._processor = BoundedProcessor(exporter or otlp_exporter(settings), self.counts)
        resource = Resource.create({"host.name": platform.node(), **build})
        # After OTEL_RESOURCE_ATTRIBUTES, so that the setting decides.
        resource = resource.merge(Resource({"service.name": settings.service_name}))
        provider = TracerProvider(
            sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False, span_limits=_LIMITS
        )
        provider.add_span_processor(self._processor)
        self._tracer = provider.get_tracer("sekisho", build.get("service.version"))

    def remote(self, traceparent: str, tracestate: str) -> RemoteSpan | None:
        """Parse a trace context (W3C); None if it is not valid."""
        carrier = {"traceparent": traceparent}
        if tracestate:
            carrier["tracestate"] = tracestate
        span = trace.get_current_span(_W3C.extract(carrier))
        context = span.get_span_context()
        return RemoteSpan(context.trace_flags.sampled, span) if context.is_valid else None

    def begin(
        self,
        name: str,
        kind: Kind,
        attributes: Attributes,
        parent: RemoteSpan | None = None,
        link: RemoteSpan | None = None,
    ) -> Span:
        """Begin the span of a new trace, or one below ``parent``. ``link`` is only mentioned."""
        above = _span_of(parent) if parent is not None else trace.INVALID_SPAN
        links = [trace.Link(_span_of(link).get_span_context())] if link is not None else None
        return _begin(self._tracer, above, name, kind, attributes, links)

    def flush(self) -> None:
        """Export what is queued, in this thread."""
        self._processor.flush()

    def shut_down(self) -> None:
        """Export what is queued and stop, in this thread."""
        self._processor.shut_down()

    async def close(self) -> None:
        """Export what is queued, for a limited time."""
        await self._processor.close()


class _RecordedSpan:
    """A span of the SDK."""

    __slots__ = ("_span", "_tracer")

    def __init__(self, tracer: trace.Tracer, span: trace.Span) -> None:
        self._tracer = tracer
        self._span = span

    @property
    def trace_id(self) -> str:
        return trace.format_trace_id(self._span.get_span_context().trace_id)

    @property
    def running(self) -> bool:
        return self._span.is_recording()

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        carrier: dict[str, str] = {}
        _W3C.inject(carrier, trace.set_span_in_context(self._span))
        # Without the flag for random ids (Trace Context Level 2): the library of API servers
        # refuses a traceparent with other flags than the sampled one.
        carrier["traceparent"] = f"{carrier['traceparent'][:-2]}01"
        return tuple(carrier.items())

    def child(self, name: str, kind: Kind, attributes: Attributes) -> Span:
        if not self.running:
            return NO_SPAN
        return _begin(self._tracer, self._span, name, kind, attributes)

    def rename(self, name: str) -> None:
        self._span.update_name(name[:MAX_VALUE])

    def set(self, attributes: Attributes) -> None:
        self._span.set_attributes(attributes)

    def fail(self, error_type: str) -> None:
        self._span.set_status(Status(StatusCode.ERROR))
        self._span.set_attribute(ERROR_TYPE, error_type)

    def end(self) -> None:
        self._span.end()


def _begin(
    tracer: trace.Tracer,
    parent: trace.Span,
    name: str,
    kind: Kind,
    attributes: Attributes,
    links: list[trace.Link] | None = None,
) -> Span:
    span = tracer.start_span(
        name[:MAX_VALUE],
        trace.set_span_in_context(parent),
        _KINDS[kind],
        attributes,
        links,
        record_exception=False,
    )
    return _RecordedSpan(tracer, span)


def _span_of(remote: RemoteSpan) -> trace.Span:
    assert isinstance(remote.context, trace.Span)
    return remote.context
