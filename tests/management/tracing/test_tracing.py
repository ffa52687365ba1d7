"""What begins a trace, and whose trace context counts."""

import pytest

from management.tracing.span import NO_SPAN, active
from management.tracing.tracing import operation
from tests.management.tracing.recorded import (
    NOT_SAMPLED,
    PARENT,
    SAMPLED,
    STRANGER,
    TRACE,
    TRUSTED,
    recorded,
)


@pytest.mark.parametrize(
    ("address", "traceparent", "draw", "traced", "continues"),
    [
        (STRANGER, None, 0.0, True, False),
        (STRANGER, None, 0.9, False, False),
        (STRANGER, SAMPLED, 0.9, False, False),
        (STRANGER, SAMPLED, 0.0, True, False),
        (STRANGER, NOT_SAMPLED, 0.0, True, False),
        (TRUSTED, SAMPLED, 0.9, True, True),
        (TRUSTED, NOT_SAMPLED, 0.0, False, False),
        (TRUSTED, None, 0.0, True, False),
        (TRUSTED, None, 0.9, False, False),
        (TRUSTED, "00-nonsense", 0.9, False, False),
        (TRUSTED, SAMPLED + "x" * 200, 0.9, False, False),
    ],
)
def test_request_is_traced_by_draw_unless_the_client_is_trusted(
    address: str, traceparent: str | None, draw: float, traced: bool, continues: bool
) -> None:
    with recorded(0.5, lambda: draw) as made:
        values = [traceparent] if traceparent is not None else []
        incoming = made.tracing.incoming(values, [], address)
        span = made.tracing.begin("request", {}, incoming, made.tracing.samples_request)
        assert (span is not NO_SPAN) == traced
        assert (span.trace_id == TRACE) == continues
        span.end()


def test_trace_of_a_stranger_is_a_link_and_no_parent() -> None:
    with recorded() as made:
        incoming = made.tracing.incoming([SAMPLED], [], STRANGER)
        made.tracing.begin("request", {}, incoming, made.tracing.samples_request).end()
        span = made.spans()["request"]
    assert span.parent is None
    assert [format(one.context.trace_id, "032x") for one in span.links] == [TRACE]


def test_two_traceparents_are_no_trace_context() -> None:
    with recorded() as made:
        assert not made.tracing.incoming([SAMPLED, SAMPLED], [], TRUSTED).trusted


def test_headers_of_a_continued_trace_have_its_state() -> None:
    with recorded() as made:
        incoming = made.tracing.incoming([SAMPLED], ["a=1", "b=2"], TRUSTED)
        span = made.tracing.begin("request", {}, incoming, made.tracing.samples_request)
        headers = dict(span.headers)
        span.end()
    assert headers["traceparent"].startswith(f"00-{TRACE}-")
    assert PARENT not in headers["traceparent"]
    assert headers["traceparent"].endswith("-01")
    assert headers["tracestate"] == "a=1,b=2"


def test_request_of_sekisho_itself_is_traced_only_in_a_trace() -> None:
    with recorded() as made:
        for values, traced in (([], False), ([SAMPLED], True)):
            incoming = made.tracing.incoming(values, [], STRANGER, inner=True)
            span = made.tracing.begin("request", {}, incoming, made.tracing.samples_request)
            assert (span is not NO_SPAN) == traced
            span.end()


def test_operation_is_traced_if_traces_are_on_and_it_is_sampled() -> None:
    with operation(None, "reconcile", {}) as span:
        assert span is NO_SPAN
    with recorded(0.0) as made, operation(made.tracing, "reconcile", {}) as span:
        assert span is NO_SPAN
    with recorded() as made:
        with operation(made.tracing, "reconcile", {}) as span, active(NO_SPAN):
            assert span.trace_id
        assert list(made.spans()) == ["reconcile"]
