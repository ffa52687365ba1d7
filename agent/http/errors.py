"""What may go wrong between a client and a server, beside OSError and TimeoutError."""


class HttpError(Exception):
    """The root of these errors."""


class InvalidUrl(HttpError):
    """The URL can't be requested."""


class InvalidProxy(HttpError):
    """The environment names an HTTP proxy that can't be used. The message has no password."""


class ConnectionEnded(HttpError, ConnectionResetError):
    """The server closed the connection before its response began."""


class NotHttp(HttpError):
    """The server's response is not HTTP/1.1."""


class BrokenBody(HttpError):
    """The body ended early, or is not in its encoding."""


class BodyTooLarge(HttpError):
    """The body, or one line of it, exceeds the caller's limit."""


class ProxyUnreachable(HttpError):
    """The HTTP proxy can't be reached. ``cause`` is the system's error."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class ProxyRefused(HttpError):
    """The HTTP proxy answered ``CONNECT`` with a status other than 2xx."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status
