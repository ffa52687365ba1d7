"""Attributes of spans, by OpenTelemetry's semantic conventions for HTTP. Pure."""

from urllib.parse import urlsplit

from management.tracing.span import Span

METHOD = "http.request.method"
STATUS = "http.response.status_code"
ROUTE = "http.route"
RESENDS = "http.request.resend_count"
SERVER, PORT = "server.address", "server.port"
CLIENT = "client.address"
SCHEME = "url.scheme"
PATH = "url.path"
USER = "user.id"
CLUSTER, NAMESPACE = "k8s.cluster.name", "k8s.namespace.name"
REQUEST_ID = "sekisho.request_id"
PROVIDER = "sekisho.provider"
DECISION = "sekisho.decision"

_METHODS = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"}
)


def method_of(method: str) -> str:
    """Return the method; ``_OTHER`` for what a client has made up."""
    return method if method in _METHODS else "_OTHER"


def server_of(url: str) -> dict[str, str | int]:
    """Return the address and the port of the server in a URL."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return {SERVER: parts.hostname or "", PORT: port}


def record_status(span: Span, status: int, *, failed_from: int) -> None:
    """Record a response. Statuses from ``failed_from`` on are failures."""
    span.set({STATUS: status})
    if status >= failed_from:
        span.fail(str(status))
