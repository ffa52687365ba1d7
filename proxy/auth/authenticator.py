"""Authentication of a request: exactly one credential, from exactly one place."""

from typing import Protocol

from aiohttp import web

from management.authentication.authenticated_token import AuthenticatedToken
from management.authentication.external_tokens import TokenRejected
from management.authentication.token_authenticator import TokenAuthenticator
from management.http.authorization_header import InvalidAuthorization, bearer_from
from management.http.client_address import network_of
from management.http.request_notes import describe_rejection
from providers.base import ProviderUnavailable
from proxy.limits.anonymous import AnonymousLimiter
from proxy.metrics.proxy_metrics import ProxyMetrics
from proxy.request.headers import RequestHeaders
from proxy.response.status import BadRequest, Forbidden, ServiceUnavailable, StoreAway, Unauthorized
from proxy.upstream.outage import Outage
from store.errors import StoreUnavailable

_REFUSED = "the credential is not valid, has ended, or was revoked"


class CookieSession(Protocol):
    """The content of a session cookie."""

    @property
    def bearer(self) -> str:
        """The token of the session."""


class SessionReader(Protocol):
    """Reads session cookies; ``management.identity.session_cookies.SessionCookies`` does."""

    async def read(self, request: web.BaseRequest) -> CookieSession | None:
        """Return the session of the request's cookie, or None."""

    def check_csrf(self, request: web.BaseRequest, session: CookieSession) -> bool:
        """Return whether a page of the session sent the request."""


class Authenticator:
    """Finds the token of a request. Counts outcomes by provider."""

    def __init__(
        self,
        resolver: TokenAuthenticator,
        metrics: ProxyMetrics,
        sessions: SessionReader | None = None,
        anonymous: AnonymousLimiter | None = None,
    ) -> None:
        self._resolver = resolver
        self._traffic = metrics.traffic
        self._sessions = sessions
        self._anonymous = anonymous
        self._store_outage = Outage()
        self._issuer_outage = Outage()

    async def authenticate(
        self, request: web.BaseRequest, headers: RequestHeaders, address: str = ""
    ) -> AuthenticatedToken:
        """Return the authenticated token of a request from ``address``.

        Raises:
            BadRequest: the credential is malformed, or there is more than one.
            Unauthorized: there is no credential, or it is not valid.
            Forbidden: a cookie comes without its CSRF token.
            ServiceUnavailable: the store or the issuer cannot verify the credential now.
            LimitExceeded: too many such requests came from the address.

        """
        try:
            return await self._authenticate(request, headers, address)
        except (BadRequest, Unauthorized, Forbidden):
            if self._anonymous is not None:
                network = network_of(address)
                self._anonymous.check(network)
                self._anonymous.failed(network)
            raise

    async def _authenticate(
        self, request: web.BaseRequest, headers: RequestHeaders, address: str
    ) -> AuthenticatedToken:
        bearer = await self._bearer(request, headers)
        if bearer is None:
            self._traffic.count_authentication("", "missing")
            raise Unauthorized("no credential: sign in, or use the token of a kubeconfig")
        try:
            resolved = self._resolver.cached(bearer)
            if resolved is None:
                if self._anonymous is not None:
                    self._anonymous.check(network_of(address))
                resolved = await self._resolver.resolve(bearer)
        except StoreUnavailable:
            self._traffic.count_authentication("", "unavailable")
            wait = self._store_outage.record_failure()
            raise StoreAway("Sekisho's store is unavailable; try again", retry_after=wait) from None
        except ProviderUnavailable:
            self._traffic.count_authentication("", "unavailable")
            raise ServiceUnavailable(
                "the issuer of your token cannot verify it now; try again",
                # The issuer may ask for an hour, during which kubectl would print nothing.
                retry_after=self._issuer_outage.record_failure(),
            ) from None
        except TokenRejected as exc:
            self._traffic.count_authentication("", "refused")
            raise Unauthorized(
                _REFUSED, note=f"{_REFUSED}: {describe_rejection(exc.why)}"
            ) from None
        if resolved is None:
            self._traffic.count_authentication("", "refused")
            raise Unauthorized(_REFUSED)
        self._traffic.count_authentication(resolved.identity.provider, "accepted")
        return resolved

    async def _bearer(self, request: web.BaseRequest, headers: RequestHeaders) -> bytes | None:
        if headers.authorization is not None:
            if headers.websocket_bearer is not None:
                raise self._malformed("two credentials in one request: use one")
            if headers.cookie is not None and await self._session(request) is not None:
                raise self._malformed("two credentials in one request: use one")
            return self._from_authorization(headers.authorization)
        if headers.websocket_bearer is not None:
            if headers.cookie is not None and await self._session(request) is not None:
                raise self._malformed("two credentials in one request: use one")
            return headers.websocket_bearer
        return await self._from_cookie(request, headers) if headers.cookie is not None else None

    def _from_authorization(self, value: bytes) -> bytes:
        try:
            return bearer_from(value)
        except InvalidAuthorization as exc:
            raise self._malformed(str(exc)) from None

    async def _from_cookie(self, request: web.BaseRequest, headers: RequestHeaders) -> bytes | None:
        session = await self._session(request)
        if session is None or self._sessions is None:
            return None
        if not self._sessions.check_csrf(request, session):
            self._traffic.count_authentication("", "refused")
            raise Forbidden(
                "a request with a cookie must carry its CSRF token and origin", decision="origin"
            )
        return session.bearer.encode("latin-1", "replace")

    async def _session(self, request: web.BaseRequest) -> CookieSession | None:
        return await self._sessions.read(request) if self._sessions is not None else None

    def _malformed(self, message: str) -> BadRequest:
        self._traffic.count_authentication("", "malformed")
        return BadRequest(message)
