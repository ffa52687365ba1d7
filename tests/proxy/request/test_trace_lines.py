"""The trace context as header lines."""

import pytest

from management.tracing.span import NO_SPAN
from management.tracing.tracing import Incoming
from proxy.request.trace_lines import trace_lines
from tests.management.tracing.recorded import SAMPLED, TRACE, recorded


def test_lines_without_a_trace_are_empty() -> None:
    assert trace_lines(NO_SPAN) == b""


@pytest.mark.parametrize(
    ("tracestate", "line"),
    [
        ("a=1", b"tracestate: a=1\r\n"),
        ("a=1\r\nImpersonate-User: root", b""),
        ("a=\x00", b""),
        ("é=1", b""),
        ("", b""),
    ],
)
def test_lines_of_a_trace_are_a_trace_context_and_nothing_else(
    tracestate: str, line: bytes
) -> None:
    with recorded() as made:
        incoming = Incoming(SAMPLED, tracestate, trusted=True)
        span = made.tracing.begin("request", {}, incoming, made.tracing.samples_request)
        lines = trace_lines(span)
        span.end()
    first, _, rest = lines.partition(b"\r\n")
    assert first.startswith(f"traceparent: 00-{TRACE}-".encode())
    assert rest == line
