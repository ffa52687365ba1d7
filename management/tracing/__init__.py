"""Traces: spans of what Sekisho does, and the W3C trace context that links them with others' spans.

* :class:`~.span.Span`: one operation of a trace that is sampled. :func:`~.span.child_span` begins
  one below the current span, and does nothing if there is none: only what begins a trace knows
  :class:`~.tracing.Tracing`.
* :class:`~.tracing.Tracing`: decides what begins a trace, and whose trace context counts.
* :class:`~.tracing.SpanSource`: where spans come from. The only one is
  :class:`~.opentelemetry_spans.OpenTelemetrySpans`, on OpenTelemetry's SDK, an optional extra.
* :class:`~.opentelemetry_export.BoundedProcessor`: keeps finished spans until they are exported.
* :class:`~.export_counts.ExportCounts`: what became of finished spans, for metrics.

Attributes follow OpenTelemetry's semantic conventions. They contain names and numbers that the logs
have too, and never a header, a query, a body or a credential. May import: ``config``.
"""
