"""The current span, and spans below it."""

import asyncio

import pytest

from management.tracing.span import NO_SPAN, active, child_span, current_span
from management.tracing.tracing import Incoming
from tests.management.tracing.recorded import recorded


def always() -> bool:
    return True


def test_child_span_without_a_trace_records_nothing() -> None:
    with child_span("below", "internal", {}) as span:
        assert span is NO_SPAN is current_span()


def test_child_span_of_a_trace_has_its_trace_id_and_parent() -> None:
    with recorded() as made:
        with active(made.tracing.begin("above", {}, Incoming(), always)) as above:
            with child_span("below", "client", {"count": 2}) as below:
                assert current_span() is below
                assert below.trace_id == above.trace_id != ""
            assert current_span() is above
        assert current_span() is NO_SPAN
        spans = made.spans()
    parent = spans["below"].parent
    assert parent is not None
    context = spans["above"].get_span_context()
    assert context is not None
    assert parent.span_id == context.span_id
    assert dict(spans["below"].attributes or {}) == {"count": 2}


def test_span_of_an_exception_has_failed_with_its_type_and_not_its_text() -> None:
    with recorded() as made:
        with (
            pytest.raises(ValueError, match="secret"),
            active(made.tracing.begin("above", {}, Incoming(), always)),
        ):
            raise ValueError("secret")
        span = made.spans()["above"]
    assert not span.status.is_ok
    assert span.status.description is None
    assert dict(span.attributes or {}) == {"error.type": "ValueError"}
    assert not span.events


async def test_task_that_outlives_its_operation_is_no_part_of_the_trace() -> None:
    ended = asyncio.Event()

    async def outlive() -> bool:
        await ended.wait()
        with child_span("late", "internal", {}) as span:
            return span is NO_SPAN

    with recorded() as made:
        with active(made.tracing.begin("above", {}, Incoming(), always)):
            task = asyncio.create_task(outlive())
        ended.set()
        assert await task
        assert list(made.spans()) == ["above"]
