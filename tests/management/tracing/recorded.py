"""Spans that stay in this process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from config.trace_settings import TraceSettings
from management.http.client_address import ClientAddresses
from management.tracing.opentelemetry_spans import OpenTelemetrySpans
from management.tracing.tracing import Tracing

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, NOT_SAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"
TRUSTED, STRANGER = "10.0.0.1", "192.0.2.1"


@dataclass
class Recorded:
    """Traces, and the spans of them that have ended."""

    tracing: Tracing
    source: OpenTelemetrySpans
    exporter: InMemorySpanExporter

    def spans(self) -> dict[str, ReadableSpan]:
        """Return the spans by name."""
        self.source.flush()
        return {one.name: one for one in self.exporter.get_finished_spans()}


@contextmanager
def recorded(ratio: float = 1.0, draw: Callable[[], float] = lambda: 0.5) -> Iterator[Recorded]:
    """Record traces. ``draw`` returns what is compared with ``ratio``."""
    settings = TraceSettings(
        endpoint="http://127.0.0.1:1/v1/traces",
        ratio=ratio,
        management_ratio=ratio,
        trusted_networks=("10.0.0.0/8",),
    )
    exporter = InMemorySpanExporter()
    source = OpenTelemetrySpans(settings, {"service.version": "1"}, exporter)
    trusted = ClientAddresses(settings.trusted_networks).is_trusted
    yield Recorded(Tracing(source, settings, trusted, draw), source, exporter)
    source.shut_down()


class Refusing(SpanExporter):
    """An exporter of which each export fails."""

    def export(self, spans: object) -> SpanExportResult:
        """Fail."""
        return SpanExportResult.FAILURE
