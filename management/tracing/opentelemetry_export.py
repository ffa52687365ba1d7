"""Export finished spans by OTLP over HTTP: bounded, in a thread, and for a limited time at a stop.

The SDK's batch processor drops spans of a full queue without a word, logs each failure of its
exporter, and may wait for half a minute when it is shut down.
"""

import asyncio
import logging
import ssl
import threading
from collections.abc import Sequence
from typing import Any

import requests
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from config.loggers import get_logger
from config.trace_settings import TraceSettings
from management.tracing.export_counts import ExportCounts

MAX_PENDING = 4096
"""Spans that wait to be exported. Each takes about 4 KiB."""

BATCH, BATCH_SECONDS = 512, 2.0
"""Spans of one export, and how long the first of them waits for others."""

EXPORT_SECONDS = 5.0
"""How long an export may take with its retries."""

STOP_SECONDS = 2.0
"""How long a stop waits for the last export. What is not exported by then is lost."""

_LOG = get_logger(__name__)


class _BodilessSession(requests.Session):
    """Reads no body of a response, which may have any size, and follows no redirect.

    A redirect would also show the headers of an export to another server.
    """

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send a request, and close its connection after the head of the response.

        Raises requests.TooManyRedirects, because the exporter would take a redirect for a success.
        """
        response = super().send(request, **{**options, "stream": True})
        response.close()
        if response.status_code in range(300, 400):
            raise requests.TooManyRedirects(response=response)
        return response

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return that there is none. ``allow_redirects=False`` would read the body all the same."""


def otlp_exporter(settings: TraceSettings) -> SpanExporter:
    """Return the exporter that the settings describe."""
    session = _BodilessSession()
    session.trust_env = False  # No proxy and no password from the environment or from ~/.netrc.
    session.headers.update(settings.header_lines)
    trusted = settings.ca_file or ssl.get_default_verify_paths().cafile
    return OTLPSpanExporter(
        settings.endpoint,
        certificate_file=str(trusted) if trusted else None,
        timeout=EXPORT_SECONDS,
        compression=Compression.Gzip,
        session=session,
    )


class BoundedProcessor(SpanProcessor):
    """Queues finished spans for ``exporter``, counts them, and drops those beyond MAX_PENDING."""

    def __init__(self, exporter: SpanExporter, counts: ExportCounts) -> None:
        self._counts = counts
        # Larger than MAX_PENDING by what is being exported: the queue is never full itself.
        self._batches = BatchSpanProcessor(
            _CountedExporter(exporter, counts),
            max_queue_size=MAX_PENDING + 1,
            max_export_batch_size=BATCH,
            schedule_delay_millis=BATCH_SECONDS * 1000,
        )

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Do nothing."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a span that has ended, if there is room."""
        if self._counts.pending >= MAX_PENDING:
            self._counts.dropped += 1
            return
        self._counts.accepted += 1
        self._batches.on_end(span)

    def flush(self) -> None:
        """Export what is queued, in this thread."""
        self._batches.force_flush()

    def shut_down(self) -> None:
        """Export what is queued and stop, in this thread."""
        self._batches.shutdown()  # type: ignore[no-untyped-call]

    async def close(self) -> None:
        """Export what is queued, and wait STOP_SECONDS at most.

        The thread ends with the process, so that a collector that hangs does not delay a stop.
        """
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self.shut_down()
            if not loop.is_closed():
                loop.call_soon_threadsafe(ended.set)

        threading.Thread(target=shut_down, name="traces-stop", daemon=True).start()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await ended.wait()
        except TimeoutError:
            _LOG.warning("traces not exported at the stop", lost_spans=self._counts.pending)


class _LastFailure(logging.Handler):
    """Keeps why the last export failed, which the exporter only logs."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Read the arguments of the message. The message has the names of Python objects."""
        for one in record.args if isinstance(record.args, tuple) else ():
            if isinstance(one, requests.Timeout):
                self.text = "the collector did not respond in time"
            elif isinstance(one, requests.exceptions.SSLError):
                self.text = "the collector's certificate is not trusted"
            elif isinstance(one, requests.TooManyRedirects):
                self.text = "the collector redirects; give the URL to which it does"
            elif isinstance(one, requests.RequestException):
                self.text = "the connection to the collector failed"
            elif isinstance(one, int):
                self.text = f"the collector responded {one}"


class _CountedExporter(SpanExporter):
    """Counts the spans that ``inner`` exports, and those that it fails to export."""

    def __init__(self, inner: SpanExporter, counts: ExportCounts) -> None:
        self._inner = inner
        self._counts = counts
        self._failure = _LastFailure()
        log = logging.getLogger("opentelemetry")
        log.handlers[:] = [self._failure]
        log.propagate = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export a batch."""
        try:
            result = self._inner.export(spans)
        except Exception as exc:
            self._counts.add_failed(len(spans), type(exc).__name__)
            return SpanExportResult.FAILURE
        if result is SpanExportResult.SUCCESS:
            self._counts.add_exported(len(spans))
        else:
            self._counts.add_failed(len(spans), self._failure.text)
        return result

    def shutdown(self) -> None:
        """Close the connections."""
        self._inner.shutdown()
