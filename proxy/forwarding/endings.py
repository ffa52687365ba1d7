"""Responses to requests that end before the cluster has responded. Pure."""

from proxy.request.context import RequestContext
from proxy.request.request_line import RETRYABLE_METHODS
from proxy.response.status import ServiceUnavailable, StatusError, Unauthorized


def token_ended(context: RequestContext, why: str) -> StatusError:
    """Return the response if the token is no longer valid. ``why`` is for the logs."""
    message = "the credential has ended, or was revoked, before the cluster responded"
    return Unauthorized(message + _outcome(context), note=why)


def rights_changed(context: RequestContext) -> StatusError:
    """Return the response if the cluster decided by rights that the caller no longer has."""
    return _repeatable(context, "the user's groups or rights have changed")


def server_stops(context: RequestContext) -> StatusError:
    """Return the response if the server can't wait any longer, because it stops."""
    return _repeatable(context, "Sekisho stops")


def _repeatable(context: RequestContext, why: str) -> StatusError:
    """Return a 503. Clients repeat one with Retry-After by themselves, so only a read has it."""
    reads = context.method in RETRYABLE_METHODS
    message = f"{why}, before the cluster responded{_outcome(context)}"
    return ServiceUnavailable(message, retry_after=1 if reads else None, note=why)


def _outcome(context: RequestContext) -> str:
    if context.method in RETRYABLE_METHODS:
        return "; send the request again"
    return "; the cluster may have carried out the request: look before you repeat it"
