"""The id of the current trace in log lines."""

import structlog

from management.tracing.span import NO_SPAN, current_span


def add_trace_id(
    logger: object, name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Add the id of the trace to which the current operation belongs. A structlog processor."""
    span = current_span()
    if span is not NO_SPAN:
        event["trace_id"] = span.trace_id
    return event
