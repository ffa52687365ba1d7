"""Limits for callers of the API, and for anonymous requests together.

The limits are implemented by the layer above, which counts the proxy's requests by the same ones.
"""

from typing import Protocol

from management.authentication.authenticated_token import AuthenticatedToken


class TooMany(Exception):
    """A limit is reached. The message is for the client.

    ``status`` is 429 or 503; ``retry_after`` is in seconds. The response is delayed by ``hold``
    seconds.
    """

    def __init__(self, message: str, status: int, retry_after: int, hold: float) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
        self.hold = hold


class RequestPermit(Protocol):
    """The permission for one request; it counts until it is released."""

    def release(self) -> None:
        """Release the permit when the request has ended. Idempotent."""


class RequestLimits(Protocol):
    """The limits. Every method may raise TooMany. ``address`` is the client's."""

    def arrive(self, address: str) -> None:
        """Count a request, with or without a caller."""

    def anonymous(self, address: str) -> RequestPermit:
        """Acquire a permit for an anonymous request."""

    def probe(self, address: str) -> RequestPermit:
        """Acquire a permit for a health check."""

    def sign_in_begins(self, address: str) -> None:
        """Count a sign-in that begins at a provider."""

    def check(self, address: str) -> None:
        """Check whether an unknown credential may be examined."""

    def failed(self, address: str) -> None:
        """Count an invalid credential. Never raises."""

    def caller(
        self, authenticated: AuthenticatedToken, address: str, *, watch: bool
    ) -> RequestPermit:
        """Acquire a permit for a caller's request."""


class _NoPermit:
    def release(self) -> None:
        """Release nothing."""


NO_PERMIT: RequestPermit = _NoPermit()


class Unlimited:
    """No limits: for an application without a proxy."""

    def arrive(self, address: str) -> None:
        """Count nothing."""

    def anonymous(self, address: str) -> RequestPermit:
        """Return a permit without a limit."""
        return NO_PERMIT

    def probe(self, address: str) -> RequestPermit:
        """Return a permit without a limit."""
        return NO_PERMIT

    def sign_in_begins(self, address: str) -> None:
        """Count nothing."""

    def check(self, address: str) -> None:
        """Allow everything."""

    def failed(self, address: str) -> None:
        """Count nothing."""

    def caller(
        self, authenticated: AuthenticatedToken, address: str, *, watch: bool
    ) -> RequestPermit:
        """Return a permit without a limit."""
        return NO_PERMIT
