"""Who sends a request: exactly one credential, from exactly one place."""

from typing import Protocol

from aiohttp import web

from management.credentials import BadCredential, bearer_from
from management.foreign_bearers import BearerRefused
from management.resolver import Resolved, TokenResolver
from management.telling import told
from providers.base import ProviderUnavailable
from proxy.inbound_head import InboundHead
from proxy.metrics import GateMetrics
from proxy.status import BadRequest, Forbidden, Unauthorized, Unavailable
from store.interfaces import StoreUnavailable

_REFUSED = "the credential is not valid, has ended, or was revoked"


class CookieSession(Protocol):
    """What a session cookie holds."""

    @property
    def bearer(self) -> str:
        """The token behind the session."""


class SessionReader(Protocol):
    """Reads session cookies. Satisfied by :class:`management.sessions.SessionCookies`."""

    async def read(self, request: web.BaseRequest) -> CookieSession | None:
        """The session of the request's cookie, or None."""

    def check_csrf(self, request: web.BaseRequest, session: CookieSession) -> bool:
        """Whether the request was meant by the page that the session belongs to."""


class Authenticator:
    """Finds out who sends a request. Counts outcomes by provider."""

    def __init__(
        self, resolver: TokenResolver, metrics: GateMetrics, sessions: SessionReader | None = None
    ) -> None:
        self._resolver = resolver
        self._traffic = metrics.traffic
        self._sessions = sessions

    async def authenticate(self, request: web.BaseRequest, head: InboundHead) -> Resolved:
        """The caller.

        Raises BadRequest for a malformed credential or more than one, Unauthorized for none or one
        that isn't valid, Forbidden for a cookie without its CSRF token, and Unavailable where the
        store can't say.
        """
        bearer = await self._bearer(request, head)
        if bearer is None:
            self._traffic.authenticated("", "missing")
            raise Unauthorized("no credential: sign in, or use the token of a kubeconfig")
        try:
            resolved = self._resolver.cached(bearer) or await self._resolver.resolve(bearer)
        except StoreUnavailable:
            self._traffic.authenticated("", "unavailable")
            raise Unavailable("Sekisho's store is unavailable; try again", retry_after=2) from None
        except ProviderUnavailable as exc:
            self._traffic.authenticated("", "unavailable")
            raise Unavailable(
                "the issuer of your token can't be asked about it now; try again",
                retry_after=exc.retry_after or 5,
            ) from None
        except BearerRefused as exc:
            self._traffic.authenticated("", "refused")
            raise Unauthorized(_REFUSED, note=f"{_REFUSED}: {told(exc.why)}") from None
        if resolved is None:
            self._traffic.authenticated("", "refused")
            raise Unauthorized(_REFUSED)
        self._traffic.authenticated(resolved.identity.provider, "accepted")
        return resolved

    async def _bearer(self, request: web.BaseRequest, head: InboundHead) -> bytes | None:
        if head.authorization is not None:
            if head.websocket_bearer is not None:
                raise self._malformed("two credentials in one request: use one")
            if head.cookie is not None and await self._session(request) is not None:
                raise self._malformed("two credentials in one request: use one")
            return self._from_authorization(head.authorization)
        if head.websocket_bearer is not None:
            if head.cookie is not None and await self._session(request) is not None:
                raise self._malformed("two credentials in one request: use one")
            return head.websocket_bearer
        return await self._from_cookie(request, head) if head.cookie is not None else None

    def _from_authorization(self, value: bytes) -> bytes:
        try:
            return bearer_from(value)
        except BadCredential as exc:
            raise self._malformed(str(exc)) from None

    async def _from_cookie(self, request: web.BaseRequest, head: InboundHead) -> bytes | None:
        session = await self._session(request)
        if session is None or self._sessions is None:
            return None
        if not self._sessions.check_csrf(request, session):
            self._traffic.authenticated("", "refused")
            raise Forbidden("a request authorised by a cookie must carry its CSRF token and origin")
        return session.bearer.encode("latin-1", "replace")

    async def _session(self, request: web.BaseRequest) -> CookieSession | None:
        return await self._sessions.read(request) if self._sessions is not None else None

    def _malformed(self, message: str) -> BadRequest:
        self._traffic.authenticated("", "malformed")
        return BadRequest(message)
