"""A receiver of OTLP over HTTP, for the cases in which a real collector would not misbehave.

It decodes requests with the protocol's own messages (opentelemetry-proto), and responds as the test
says: with a status, or never.
"""

import gzip
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """A span as exported. ``resource`` are the attributes of the process."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    failed: bool
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]
    links: tuple[str, ...] = ()


@dataclass
class OtlpReceiver:
    """A running receiver. ``status`` is that of its responses; ``hangs`` until it is set."""

    url: str = ""
    status: int = 200
    spans: list[ReceivedSpan] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    requests: int = 0
    resume: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.resume.set()

    def named(self, name: str) -> list[ReceivedSpan]:
        """Return the spans with that name."""
        return [one for one in list(self.spans) if one.name == name]

    def receive(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Keep the spans of a request."""
        self.requests += 1
        self.headers.append(headers)
        self.resume.wait()
        if self.status == 200:
            self.spans += spans_of(ExportTraceServiceRequest.FromString(body))


def spans_of(request: ExportTraceServiceRequest) -> Iterator[ReceivedSpan]:
    """Yield the spans of a request."""
    for resource in request.resource_spans:
        of_process = values(resource.resource.attributes)
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield ReceivedSpan(
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.kind,
                    span.status.code == 2,
                    values(span.attributes),
                    of_process,
                    tuple(link.trace_id.hex() for link in span.links),
                )


def values(attributes: Any) -> dict[str, Any]:
    """Return attributes as a dictionary."""
    return {
        one.key: getattr(one.value, one.value.WhichOneof("value") or "string_value")
        for one in attributes
    }


@pytest.fixture
def otlp() -> Iterator[OtlpReceiver]:
    """Run a receiver."""
    with receiving() as receiver:
        yield receiver


@contextmanager
def receiving() -> Iterator[OtlpReceiver]:
    """Run a receiver."""
    receiver = OtlpReceiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            receiver.receive(body, dict(self.headers.items()))
            self.send_response(receiver.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Write nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        receiver.url = f"http://127.0.0.1:{server.server_port}/v1/traces"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield receiver
        finally:
            receiver.resume.set()
            server.shutdown()
