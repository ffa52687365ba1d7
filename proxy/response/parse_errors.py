"""What somebody is told whose request isn't valid HTTP. Pure.

The parser knows which line it was and what was in it; neither is repeated, for there may have been
a credential in it.
"""

from aiohttp import http_exceptions as http

from proxy.status import BadRequest, HeadTooLarge, Refusal


def refusal_of_malformed(exc: http.HttpProcessingError) -> Refusal:
    """The answer for what the parser of requests refused."""
    if isinstance(exc, http.LineTooLong):
        return HeadTooLarge("a line of the request's head is too long, or there are too many")
    for kind, message in _MESSAGES:
        if isinstance(exc, kind):
            return BadRequest(message)
    return BadRequest("the request is not valid HTTP/1.1")


_MESSAGES: tuple[tuple[type[http.HttpProcessingError], str], ...] = (
    (http.InvalidHeader, "a header line is not valid HTTP (RFC 9112 §5)"),
    (http.BadStatusLine, "the request line is not valid HTTP (RFC 9112 §3)"),
    (http.InvalidURLError, "the request's target is not valid (RFC 9112 §3.2)"),
    (http.ContentLengthError, "the body doesn't have the length that was announced"),
    (http.TransferEncodingError, "the body's chunks are not valid (RFC 9112 §7.1)"),
)
