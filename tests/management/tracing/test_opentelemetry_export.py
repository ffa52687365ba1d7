"""Exports of spans: bounded, counted, logged once, and never in the way of a stop."""

import asyncio

import pytest
from opentelemetry.sdk.trace import TracerProvider
from pydantic import SecretStr
from structlog.testing import capture_logs

from config.trace_settings import TraceSettings
from management.tracing import opentelemetry_export as export
from management.tracing.export_counts import ExportCounts
from management.tracing.opentelemetry_spans import OpenTelemetrySpans
from tests.management.tracing.recorded import Refusing
from tests.support.otlp_receiver import OtlpReceiver
from tests.support.otlp_receiver import otlp as otlp
from tests.support.waiting import eventually, within

SECRET = "key-4f1c"


def settings(url: str) -> TraceSettings:
    headers = SecretStr(f"api-key: {SECRET}\nx-tenant: 1")
    return TraceSettings(endpoint=url, headers=headers)


def end_spans(source: OpenTelemetrySpans, count: int) -> None:
    for _ in range(count):
        source.begin("work", "internal", {"k8s.cluster.name": "x" * 1000}).end()


async def test_export_has_headers_resource_and_short_attributes(otlp: OtlpReceiver) -> None:
    build = {"service.version": "1.2", "vcs.ref.head.revision": "c0ffee"}
    source = OpenTelemetrySpans(settings(otlp.url), build)
    end_spans(source, 1)
    await source.close()
    assert source.counts.exported == len(otlp.spans) == 1
    assert otlp.headers[0]["api-key"] == SECRET
    span = otlp.spans[0]
    assert span.resource["service.name"] == "sekisho"
    assert build.items() <= dict(span.resource).items()
    assert len(span.attributes["k8s.cluster.name"]) == 256


async def test_failing_collector_is_logged_once_and_counted(otlp: OtlpReceiver) -> None:
    otlp.status = 400
    source = OpenTelemetrySpans(settings(otlp.url), {})
    with capture_logs() as logs:
        for failed in (1, 2):
            end_spans(source, 1)
            source.flush()
            assert source.counts.failed == failed
        otlp.status = 200
        end_spans(source, 1)
        await source.close()
    assert [one["event"] for one in logs] == ["traces not exported", "traces are exported again"]
    assert "400" in logs[0]["error"]
    assert SECRET not in str(logs)
    assert source.counts.exported == 1


async def test_collector_that_is_away_does_not_delay_what_is_traced(otlp: OtlpReceiver) -> None:
    otlp.resume.clear()
    source = OpenTelemetrySpans(settings(otlp.url), {})
    end_spans(source, 1)
    with within(5):
        end_spans(source, export.MAX_PENDING + 100)
    counts = source.counts
    assert counts.pending == export.MAX_PENDING
    assert counts.dropped == 101
    with capture_logs() as logs, within(export.STOP_SECONDS + 5):
        await source.close()
    assert logs[-1]["event"] == "traces not exported at the stop"
    otlp.resume.set()
    await eventually(lambda: counts.exported + counts.failed)


@pytest.mark.parametrize(("status", "reason"), [(307, "redirects"), (400, "400")])
async def test_response_is_neither_read_nor_followed(
    otlp: OtlpReceiver, status: int, reason: str
) -> None:
    ended = asyncio.Event()
    head = f"HTTP/1.1 {status} No\r\nLocation: {otlp.url}\r\nContent-Length: 999999999999\r\n\r\n"

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head.encode())
        try:
            while True:  # until the connection is closed
                writer.write(bytes(65536))
                await writer.drain()
        except ConnectionError:
            ended.set()
        finally:
            writer.close()

    async with await asyncio.start_server(respond, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        source = OpenTelemetrySpans(settings(f"http://127.0.0.1:{port}/v1/traces"), {})
        end_spans(source, 1)
        with capture_logs() as logs:
            await asyncio.to_thread(source.flush)
        await ended.wait()
        assert (source.counts.failed, otlp.requests) == (1, 0)
        assert reason in logs[0]["error"]
        await source.close()


def test_exporter_that_raises_counts_as_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = ExportCounts()
    provider = TracerProvider(shutdown_on_exit=False)
    processor = export.BoundedProcessor(Refusing(), counts)
    provider.add_span_processor(processor)
    provider.get_tracer("x").start_span("work").end()
    processor.flush()
    assert (counts.failed, counts.pending) == (1, 0)
    processor.shut_down()
