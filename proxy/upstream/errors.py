"""Errors of requests to a cluster. Messages are fit for clients: no addresses, no internals."""


class UpstreamError(Exception):
    """The request to the API server failed."""


class UpstreamConnectError(UpstreamError):
    """No connection to an API server could be made.

    ``kind`` is the failure's label in the metrics; empty where nothing was tried. ``retry_after``
    is for the client, in seconds, and so is ``shown``; the message is for the log.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: str = "",
        retry_after: int | None = None,
        shown: str = "the API server can't be reached",
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.retry_after = retry_after
        self.shown = shown


class PoolExhausted(UpstreamError):
    """The cluster's connection limit is reached."""


class UpstreamDisconnected(UpstreamError):
    """The connection ended before the response was complete."""


class UpstreamProtocolError(UpstreamError):
    """The response is not valid HTTP."""


class UpstreamTimeout(UpstreamError):
    """The response did not begin in time."""


class UpstreamUnauthorized(UpstreamError):
    """The API server does not accept the service account's token."""


class UpstreamUncertain(UpstreamError):
    """The response is 401, and it is unknown whether the API server accepts the token."""


class RequestBodyError(UpstreamError):
    """The request's body is malformed or incomplete. The client caused it."""


class RequestSlow(UpstreamError):
    """The request's body stopped arriving. The client caused it."""


class RequestBodyTooLarge(UpstreamError):
    """The request's body exceeds its limit. The client caused it."""
