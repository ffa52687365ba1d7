"""The limits of the management API: the proxy's, and those of anonymous requests."""

from collections.abc import Callable
from typing import TypeVar

from management.api.request_limits import NO_PERMIT, RequestPermit, TooMany
from management.authentication.authenticated_token import AuthenticatedToken
from management.http.client_address import network_of
from proxy.limits.anonymous import HOLD_SECONDS, AnonymousLimiter
from proxy.limits.limiter import REQUESTS, WATCHES, Limiter, LimitExceeded

_Result = TypeVar("_Result")

ANONYMOUS = "system:anonymous"
"""The user that all anonymous requests count for in an overload; client networks divide it."""


class ManagementLimits:
    """A :class:`management.api.request_limits.RequestLimits`."""

    def __init__(self, limiter: Limiter, anonymous: AnonymousLimiter) -> None:
        self._limiter = limiter
        self._anonymous = anonymous

    def arrive(self, address: str) -> None:
        """Count a request, authenticated or not. Raises TooMany."""
        _translated(lambda: self._limiter.check_address_rate(address))

    def anonymous(self, address: str) -> RequestPermit:
        """Return the permit of an anonymous request. Raises TooMany."""
        return _translated(lambda: self._begin_anonymous(network_of(address)))

    def _begin_anonymous(self, network: str) -> RequestPermit:
        try:
            self._limiter.admit(ANONYMOUS, network)
        except LimitExceeded as exc:
            # Delayed as all rejections of anonymous clients, which would otherwise retry faster.
            exc.rejection_delay = max(exc.rejection_delay, HOLD_SECONDS)
            raise
        return self._anonymous.begin(network)

    def probe(self, address: str) -> RequestPermit:
        """Return the permit of a health check. Raises TooMany."""
        _translated(lambda: self._anonymous.probe(network_of(address)))
        return NO_PERMIT

    def sign_in_begins(self, address: str) -> None:
        """Count a sign-in that begins at a provider. Raises TooMany."""
        _translated(lambda: self._anonymous.start(network_of(address)))

    def check(self, address: str) -> None:
        """Check that an unknown credential may be verified. Raises TooMany."""
        _translated(lambda: self._anonymous.check(network_of(address)))

    def failed(self, address: str) -> None:
        """Count a credential that was not valid."""
        self._anonymous.failed(network_of(address))

    def caller(
        self, authenticated: AuthenticatedToken, address: str, *, watch: bool
    ) -> RequestPermit:
        """Return the permit of an authenticated request. Raises TooMany."""
        kind = WATCHES if watch else REQUESTS
        keys = (authenticated.token.name, authenticated.user.id, address, "")
        return _translated(lambda: self._limiter.enter_api(kind, keys))


def _translated(call: Callable[[], _Result]) -> _Result:
    try:
        return call()
    except LimitExceeded as exc:
        raise TooMany(str(exc), exc.code, exc.retry_after, exc.rejection_delay) from None
