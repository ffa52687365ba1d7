"""The trace context as header lines of a request to a cluster (W3C Trace Context, KEP-647)."""

import re

from management.tracing.span import NO_SPAN, Span

_LINES = re.compile(
    rb"traceparent: [0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\r\n"
    rb"(?:tracestate: [!-~][ -~]{0,511}\r\n)?"
)


def trace_lines(span: Span) -> bytes:
    """Return the header lines of ``span``; none if it is not recorded.

    They stand before the lines that :mod:`impersonation.verification` verifies, so nothing but a
    trace context may be in them.
    """
    if span is NO_SPAN:
        return b""
    lines = b"".join(
        f"{name}: {value}\r\n".encode("ascii", "replace") for name, value in span.headers
    )
    return lines if _LINES.fullmatch(lines) else b""
