"""What can go wrong when talking to a downstream cluster.

Every message is one line that an operator can act on: it names the URL or the object, and the fix.
"""


class DownstreamError(Exception):
    """Root of everything that :mod:`management.downstream` raises."""


class Unreachable(DownstreamError):
    """No answer that is worth anything: network, TLS, time, or a server that isn't ready."""


class Untrusted(Unreachable):
    """The server's certificate isn't what it should be. Trying again won't help."""


class Refused(DownstreamError):
    """401 or 403: the credential is not valid, or not enough. ``status`` says which."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Missing(DownstreamError):
    """404: there is no such object, or no such API."""


class Failed(DownstreamError):
    """The cluster understood and said no, or answered with something that is not an answer."""


class Clash(Failed):
    """409: the object is there already, or has changed since it was read."""


class Expired(Failed):
    """410: what was asked to go on from is too long ago; begin anew."""


class ForeignObject(DownstreamError):
    """An object has the name of one of ours and isn't ours, so it is left alone."""
