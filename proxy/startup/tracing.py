"""Start traces as the configuration says, or report that they cannot work."""

import importlib.metadata
import importlib.util
from contextlib import AsyncExitStack

from config.build_origin import build_origin
from config.problems import ConfigError
from config.settings import Settings
from config.trace_settings import TraceSettings
from management.http.client_address import ClientAddresses
from management.tracing.export_counts import ExportCounts
from management.tracing.tracing import Tracing
from proxy.transport.server_tls import read_ca

NEEDED = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")

MISSING = (
    "traces need OpenTelemetry's SDK, which is not installed; "
    "run: pip install 'sekisho[traces]', or remove the setting"
)


def is_installed() -> bool:
    """Return whether the extra ``traces`` is installed."""
    try:
        return all(importlib.util.find_spec(name) is not None for name in NEEDED)
    except ModuleNotFoundError:
        return False


def trace_problem(settings: TraceSettings) -> tuple[str, str] | None:
    """Return the setting that cannot work, and why; None if traces are off or can work."""
    if not settings.endpoint:
        return None
    if not is_installed():
        return "endpoint", MISSING
    if settings.ca_file is not None:
        try:
            read_ca(settings.ca_file)
        except ConfigError as exc:
            return "ca_file", exc.problems[0].message
    return None


def open_tracing(
    settings: Settings, stack: AsyncExitStack, replica: str
) -> tuple[Tracing | None, ExportCounts]:
    """Start traces, and stop them with ``stack``. None if they are off.

    ``replica`` identifies this process. OpenTelemetry is imported here, and only if it is needed.
    """
    if not settings.traces.endpoint:
        return None, ExportCounts()
    from management.tracing.opentelemetry_spans import OpenTelemetrySpans

    spans = OpenTelemetrySpans(settings.traces, build_attributes(replica))
    stack.push_async_callback(spans.close)
    trusted = ClientAddresses(settings.traces.trusted_networks).is_trusted
    return Tracing(spans, settings.traces, trusted), spans.counts


def build_attributes(replica: str) -> dict[str, str]:
    """Return the resource attributes of the build and of this process."""
    attributes = {
        "service.version": importlib.metadata.version("sekisho"),
        "service.instance.id": replica,
    }
    commit = build_origin().get("commit")
    if commit:
        attributes["vcs.ref.head.revision"] = commit
    return attributes
