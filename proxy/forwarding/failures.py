"""What a client is told of a cluster that failed, or of a limit: what, never where it is. Pure."""

from proxy.limits import Limited
from proxy.pool import PoolExhausted
from proxy.status import (
    BadRequest,
    Refusal,
    TooLarge,
    TooManyRequests,
    Unavailable,
    UpstreamFailed,
    UpstreamTimeout,
)
from proxy.upstream import (
    RequestBroken,
    RequestTooLarge,
    UpstreamError,
    UpstreamGarbled,
    UpstreamGone,
    UpstreamRejected,
    UpstreamSlow,
)


def refusal_for(failure: UpstreamError, cluster: str) -> Refusal:
    """The answer for ``failure`` of the cluster of that name."""
    message = f'cluster "{cluster}": {failure}'
    if isinstance(failure, RequestBroken):
        return BadRequest(str(failure))
    if isinstance(failure, RequestTooLarge):
        return TooLarge(str(failure))
    if isinstance(failure, UpstreamSlow):
        return UpstreamTimeout(message)
    if isinstance(failure, PoolExhausted):
        return TooManyRequests(message, retry_after=1)
    if isinstance(failure, UpstreamGone | UpstreamGarbled | UpstreamRejected):
        return UpstreamFailed(message)
    return Unavailable(message, retry_after=2)


def refusal_of(limited: Limited) -> Refusal:
    """The answer to a request that a limit keeps out."""
    kind = Unavailable if limited.code == Unavailable.code else TooManyRequests
    return kind(str(limited), retry_after=limited.retry_after)


def kind_of(failure: UpstreamError) -> str | None:
    """The metric's word for it; None where it has been counted already (see :mod:`proxy.pool`)."""
    return _KINDS.get(type(failure))


_KINDS: dict[type[UpstreamError], str] = {
    UpstreamGone: "closed",
    UpstreamGarbled: "garbled",
    UpstreamRejected: "rejected",
    PoolExhausted: "exhausted",
}
