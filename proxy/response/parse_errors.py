"""Map parse errors of requests to responses. Pure.

The response repeats neither the line nor its content, which may have been a credential.
"""

from aiohttp import http_exceptions as http

from proxy.limits.unfinished_heads import TooManyHeads
from proxy.response.status import BadRequest, HeadTooLarge, ServiceUnavailable, StatusError


def status_for_parse_error(exc: http.HttpProcessingError) -> StatusError:
    """Return the response for an error of the request parser."""
    if isinstance(exc, http.LineTooLong):
        return HeadTooLarge("a line of the request's head is too long, or there are too many")
    if isinstance(exc, TooManyHeads):
        return ServiceUnavailable("too many requests are unfinished; try again", retry_after=1)
    for kind, message in _MESSAGES:
        if isinstance(exc, kind):
            return BadRequest(message)
    return BadRequest("the request is not valid HTTP/1.1")


_MESSAGES: tuple[tuple[type[http.HttpProcessingError], str], ...] = (
    (http.InvalidHeader, "a header line is not valid HTTP (RFC 9112 §5)"),
    (http.BadStatusLine, "the request line is not valid HTTP (RFC 9112 §3)"),
    (http.InvalidURLError, "the request's target is not valid (RFC 9112 §3.2)"),
    (http.ContentLengthError, "the body does not have the announced length"),
    (http.TransferEncodingError, "the body's chunks are not valid (RFC 9112 §7.1)"),
)
