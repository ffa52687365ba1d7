"""The objects that both request paths share. :mod:`proxy.app` creates them once per process."""

from dataclasses import dataclass

from management.http.client_address import ClientAddresses
from management.http.request_id import RequestIds
from proxy.auth.request_authorizer import RequestAuthorizer
from proxy.forwarding.lifecycle import RequestLifecycle
from proxy.forwarding.request_trace import RequestTracer


@dataclass(frozen=True, slots=True)
class ProxyServices:
    """What a request path is built from. ``upgrade_idle_timeout`` is in seconds.

    ``tracer`` is None if traces are off.
    """

    authorizer: RequestAuthorizer
    lifecycle: RequestLifecycle
    request_ids: RequestIds
    addresses: ClientAddresses
    upgrade_idle_timeout: float
    tracer: RequestTracer | None = None
