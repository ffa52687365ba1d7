"""The one decision about a request: who sends it, whether it may pass, and what the cluster gets.

:meth:`RequestAuthorizer.check` and then :meth:`RequestAuthorizer.authorize` may wait for the store
and the cluster; :meth:`RequestAuthorizer.prepare` decides without I/O, for the fast path. Both ways
apply the same checks (:mod:`proxy.auth.authorizer`) and then the same
:func:`proxy.auth.impersonation.build`, so every security rule exists once and in one order. The
cluster receives nothing, not even an access review, for a caller who may not enter it.
"""

from dataclasses import dataclass

from aiohttp import web

from impersonation.impersonate_headers import request_id_line
from management.authentication.authenticated_token import AuthenticatedToken
from management.clusters.user_tokens import (
    NotStored,
    ServiceAccountMissing,
    UserServiceAccountTokens,
)
from proxy.auth.authenticator import Authenticator
from proxy.auth.authorizer import authorize_cluster, authorize_request, refuse_order
from proxy.auth.impersonation import build, nested_identity, own_identity, requested_identity
from proxy.request.context import RequestContext
from proxy.request.headers import RequestHeaders
from proxy.request.request_line import RequestLine, request_line
from proxy.request.target import PREFIX, InvalidTarget
from proxy.request.upstream_request import UpstreamRequest
from proxy.response.references import once_prefixed
from proxy.response.status import BadRequest, Forbidden, ServiceUnavailable, TemporaryRedirect
from proxy.upstream.registry import UpstreamCluster, UpstreamRegistry
from store.errors import StoreUnavailable

_BEARER = b"Authorization: Bearer "


@dataclass(frozen=True, slots=True)
class CheckedRequest:
    """A request whose caller may enter the cluster, within the scope of the token."""

    token: AuthenticatedToken
    cluster: UpstreamCluster
    line: RequestLine
    headers: RequestHeaders


@dataclass(frozen=True, slots=True)
class AuthorizedRequest:
    """A request that may pass: its caller, its cluster, and what the cluster receives.

    ``credential`` is the Authorization line in ``upstream_request``.
    """

    token: AuthenticatedToken
    cluster: UpstreamCluster
    line: RequestLine
    headers: RequestHeaders
    upstream_request: UpstreamRequest
    credential: bytes


class PreparedHeaders:
    """The verified header lines for a cluster, for all requests with the same client headers.

    ``lines`` are complete except for the request id line and the empty line. They are valid for
    these objects ``token`` and ``cluster`` only: both are replaced when their records change.
    """

    __slots__ = ("cluster", "lines", "token")

    def __init__(self, token: AuthenticatedToken, cluster: UpstreamCluster, lines: bytes) -> None:
        self.token = token
        self.cluster = cluster
        self.lines = lines


class RequestAuthorizer:
    """Decides about requests. ``max_body`` is the largest body, in bytes."""

    def __init__(
        self,
        registry: UpstreamRegistry,
        authenticator: Authenticator,
        user_tokens: UserServiceAccountTokens,
        *,
        max_body: int,
    ) -> None:
        self._registry = registry
        self._authenticator = authenticator
        self._user_tokens = user_tokens
        self._max_body = max_body

    async def check(
        self, request: web.BaseRequest, headers: RequestHeaders, context: RequestContext
    ) -> CheckedRequest:
        """Authenticate the caller and check the request. The cluster is not asked anything.

        Fills in ``context`` on the way. The target is parsed only after authentication, because it
        may be a mebibyte long.

        Raises:
            StatusError, TemporaryRedirect: the response for the client.
            LimitExceeded: too many requests without a valid credential.

        """
        context.token = token = await self._authenticator.authenticate(
            request, headers, context.remote
        )
        try:
            upgrade = headers.upgrade is not None
            line = request_line(request.method, request.raw_path, upgrade=upgrade)
        except InvalidTarget as exc:
            raise BadRequest(str(exc)) from None
        context.target, context.info = line.target, line.info
        cluster = self._enter(line, token, context)
        length = int(headers.length) if headers.length is not None else 0
        authorize_request(token, cluster.cluster, line, length, self._max_body)
        return CheckedRequest(token, cluster, line, headers)

    async def authorize(
        self, request: web.BaseRequest, checked: CheckedRequest, context: RequestContext
    ) -> AuthorizedRequest:
        """Resolve the identity and the credential, and build the upstream request.

        May ask the cluster, so the caller takes the permit before: the limits count access reviews.

        Raises:
            StatusError: the response for the client.

        """
        token, cluster = checked.token, checked.cluster
        line, headers = checked.line, checked.headers
        identity = await self._identity(request, headers, token, cluster, context)
        credential = await self._credential(token, cluster)
        upstream_request = build(
            line,
            headers,
            context.remote,
            identity=identity,
            credential=credential,
            request_id=context.request_id,
            max_body=self._max_body,
        )
        return AuthorizedRequest(token, cluster, line, headers, upstream_request, credential)

    def prepare(
        self,
        line: RequestLine,
        headers: RequestHeaders,
        length: int,
        token: AuthenticatedToken,
        remote: str,
        request_id: str,
        previous: PreparedHeaders | None,
    ) -> PreparedHeaders | None:
        """Decide as the other two methods do, without I/O, about an authenticated request.

        ``length`` is that of the body, in bytes. ``previous`` is what an earlier call returned for
        the same ``headers`` and ``remote``; it is returned again while token and cluster are the
        same objects. None means that only they can decide.

        Raises:
            StatusError: the response for the client.

        """
        cluster = self._registry.find(line.cluster)
        if cluster is None:
            return None
        record = cluster.cluster
        if previous is None or previous.token is not token or previous.cluster is not cluster:
            authorize_cluster(token, record.id, line.cluster)
            if headers.impersonates or record.impersonator == "per_user" or record.unreadable:
                return None
            upstream_request = build(
                line,
                headers,
                remote,
                identity=own_identity(token, cluster),
                credential=cluster.credential,
                request_id=request_id,
                max_body=self._max_body,
            )
            end = request_id_line(request_id) + b"\r\n"
            lines = upstream_request.lines.removesuffix(end)
            previous = PreparedHeaders(token, cluster, lines)
        authorize_request(token, record, line, length, self._max_body)
        return previous

    def credential_rejected(self, authorized: AuthorizedRequest) -> None:
        """Forget a user's own credential after the API server rejected it."""
        cluster = authorized.cluster.cluster
        if cluster.impersonator == "per_user":
            token = authorized.credential.removeprefix(_BEARER).rstrip(b"\r\n").decode("ascii")
            self._user_tokens.refused(cluster.id, authorized.token.user.id, token)

    def _enter(
        self, line: RequestLine, token: AuthenticatedToken, context: RequestContext
    ) -> UpstreamCluster:
        """Return the cluster if the caller may enter it. Redirect a path with two prefixes."""
        cluster = self._registry.find(line.cluster)
        if cluster is None:
            refuse_order(token, self._registry.orders.find(line.cluster))
        authorize_cluster(token, cluster.cluster.id if cluster else None, line.cluster)
        assert cluster is not None
        context.cluster, context.cluster_id = cluster.cluster.name, cluster.cluster.id
        if line.target.startswith(PREFIX):
            location = once_prefixed(line.cluster.encode(), line.target_bytes, cluster.upstreams)
            if location is not None:
                raise TemporaryRedirect(location.decode("ascii"))
        return cluster

    async def _identity(
        self,
        request: web.BaseRequest,
        headers: RequestHeaders,
        token: AuthenticatedToken,
        cluster: UpstreamCluster,
        context: RequestContext,
    ) -> bytes:
        if not headers.impersonates:
            return own_identity(token, cluster)
        context.impersonated = subject = requested_identity(request.raw_headers, cluster)
        return await nested_identity(subject, token, cluster)

    async def _credential(self, token: AuthenticatedToken, cluster: UpstreamCluster) -> bytes:
        """Return the Authorization line: the service account's, or the user's own."""
        if cluster.cluster.impersonator != "per_user":
            return cluster.credential
        try:
            bearer = await self._user_tokens.token(cluster.cluster, token)
            cluster.outage.record_success()
        except NotStored:
            raise Forbidden(
                "this cluster decides by groups that Sekisho records at sign-in; "
                "exchange your token for a Sekisho token",
                decision="identity",
            ) from None
        except (ServiceAccountMissing, StoreUnavailable):
            raise ServiceUnavailable(
                f'your account in "{cluster.cluster.name}" is not available now; try again',
                retry_after=cluster.outage.record_failure(),
            ) from None
        return _BEARER + bearer.encode("ascii") + b"\r\n"
