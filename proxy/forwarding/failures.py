"""Map upstream and limit errors to responses, which never contain upstream addresses. Pure."""

from proxy.limits.limiter import LimitExceeded
from proxy.response.status import (
    BadGateway,
    BadRequest,
    ContentTooLarge,
    GatewayTimeout,
    RequestTimeout,
    ServiceUnavailable,
    StatusError,
    TooManyRequests,
)
from proxy.upstream.errors import (
    PoolExhausted,
    RequestBodyError,
    RequestBodyTooLarge,
    RequestSlow,
    UpstreamConnectError,
    UpstreamDisconnected,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamUnauthorized,
    UpstreamUncertain,
)


def status_for_upstream_error(failure: UpstreamError, cluster: str) -> StatusError:
    """Return the response for ``failure`` of the cluster with that name."""
    message = f'cluster "{cluster}": {failure}'
    if isinstance(failure, RequestBodyError):
        return BadRequest(str(failure))
    if isinstance(failure, RequestSlow):
        return RequestTimeout(str(failure))
    if isinstance(failure, RequestBodyTooLarge):
        return ContentTooLarge(str(failure))
    if isinstance(failure, UpstreamTimeout):
        return GatewayTimeout(message)
    if isinstance(failure, PoolExhausted):
        return TooManyRequests(message, retry_after=1)
    if isinstance(
        failure,
        UpstreamDisconnected | UpstreamProtocolError | UpstreamUnauthorized | UpstreamUncertain,
    ):
        return BadGateway(message)
    if isinstance(failure, UpstreamConnectError):
        # Whether a port is closed, silent or without TLS goes to the log only: users who may import
        # clusters could scan the network. Of an agent, which dials one address, more is shown.
        shown = f'cluster "{cluster}": {failure.shown}'
        return ServiceUnavailable(shown, retry_after=failure.retry_after, note=message)
    return ServiceUnavailable(message)


def status_for_limit(limited: LimitExceeded) -> StatusError:
    """Return the response to a request that a limit rejects."""
    kind = ServiceUnavailable if limited.code == ServiceUnavailable.code else TooManyRequests
    return kind(str(limited), retry_after=limited.retry_after)


def kind_of(failure: UpstreamError) -> str | None:
    """Return the metric's label; None if :mod:`proxy.upstream.pool` has counted it already."""
    return _KINDS.get(type(failure))


_KINDS: dict[type[UpstreamError], str] = {
    UpstreamDisconnected: "closed",
    UpstreamProtocolError: "protocol",
    UpstreamUnauthorized: "unauthorized",
    UpstreamUncertain: "unverified",
    PoolExhausted: "exhausted",
}
