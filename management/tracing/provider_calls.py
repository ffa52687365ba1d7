"""Trace calls of providers. They get no trace context: it is not their operator's concern."""

from contextlib import AbstractContextManager

from management.tracing import attributes as names
from management.tracing.span import Span, child_span


def provider_span(provider: str, operation: str) -> AbstractContextManager[Span]:
    """Trace a call of ``provider``, a name of the configuration."""
    attributes = {names.PROVIDER: provider, "sekisho.operation": operation}
    return child_span(f"provider {operation}", "client", attributes)
