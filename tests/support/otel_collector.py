"""OpenTelemetry's Collector, built from its Go modules when a test needs it.

It receives OTLP over HTTP, from Sekisho, and over gRPC, from API servers, and writes what it
received into a file.
"""

import json
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from proxy.workers.child_process import die_with_parent
from tests.support.builds import built_program
from tests.support.isolation import free_port
from tests.support.waiting import wait_until

_CONFIG = """
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: 127.0.0.1:{grpc}}}
      http: {{endpoint: 127.0.0.1:{http}}}
exporters:
  file: {{path: {file}, flush_interval: 100ms}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [file]}}
"""


@dataclass(frozen=True, slots=True)
class CollectedSpan:
    """A span as the collector received it. ``resource`` are the attributes of the process."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    failed: bool
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]
    links: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Collector:
    """A running collector. ``file`` has what it received, as lines of JSON."""

    url: str
    grpc: str
    file: Path

    @property
    def text(self) -> str:
        """Return everything that was received, as text."""
        return self.file.read_text() if self.file.exists() else ""

    def spans(self, trace_id: str | None = None) -> list[CollectedSpan]:
        """Return the received spans, of all traces or of one."""
        found = [
            span
            for line in self.text.splitlines(keepends=True)
            if line.endswith("\n")
            for resource in json.loads(line)["resourceSpans"]
            for span in _spans(resource)
        ]
        return [one for one in found if trace_id in (None, one.trace_id)]

    def await_span(self, name: str, **attributes: object) -> CollectedSpan:
        """Wait for a span with that name and attributes (``k8s_cluster_name=``), and return it."""
        wanted = {key.replace("__", "."): value for key, value in attributes.items()}
        found: list[CollectedSpan] = []

        def arrived() -> bool:
            found[:] = [
                one
                for one in self.spans()
                if one.name == name and wanted.items() <= dict(one.attributes).items()
            ]
            return bool(found)

        wait_until(arrived, 60, lambda: f"{name} among {[one.name for one in self.spans()]}")
        return found[0]


def _spans(resource: Mapping[str, Any]) -> Iterator[CollectedSpan]:
    of_process = _values(resource["resource"])
    for scope in resource["scopeSpans"]:
        for span in scope["spans"]:
            yield CollectedSpan(
                span["name"],
                span["traceId"],
                span["spanId"],
                span.get("parentSpanId", ""),
                span.get("status", {}).get("code") == 2,
                _values(span),
                of_process,
                tuple((link["traceId"], link["spanId"]) for link in span.get("links", ())),
            )


def _values(owner: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes by name. OTLP's JSON has integers as texts."""
    found: dict[str, Any] = {}
    for one in owner.get("attributes", ()):
        [(kind, value)] = one["value"].items()
        found[one["key"]] = int(value) if kind == "intValue" else value
    return found


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """Run a collector."""
    folder = tmp_path_factory.mktemp("collector")
    grpc, http = free_port(), free_port()
    running = Collector(f"http://127.0.0.1:{http}/v1/traces", f"127.0.0.1:{grpc}", folder / "spans")
    config = folder / "config.yaml"
    config.write_text(_CONFIG.format(grpc=grpc, http=http, file=running.file))
    command = [*die_with_parent(), str(built_program("otel-collector")), "--config", str(config)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_until(lambda: _responds(running.url), 60, lambda: (folder / "log").read_text())
        yield running
    finally:
        process.terminate()
        process.wait(60)


def _responds(url: str) -> bool:
    with suppress(OSError):
        request = urllib.request.Request(url, b"{}", {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as response:
            return bool(response.status == 200)
    return False
