"""Whose tunnel a request opens: one agent token, and nothing else that names a caller.

Nothing of the request but its token selects the cluster (CVE-2026-4740). A request that also has
another credential is refused rather than read one way or the other (CVE-2026-40910), and one
without a credential, or with a user's, opens nothing (CVE-2024-43798).
"""

from aiohttp import web

from management.http.authorization_header import InvalidAuthorization, bearer_from
from management.http.client_address import network_of
from management.http.problem import CHALLENGE, ApiProblem
from management.tunnels.agent_tunnel import TunnelOwner
from proxy.limits.anonymous import AnonymousLimiter
from store.agent_records import agent_token_digest
from store.interfaces import Store

_WRONG = "the agent token is not valid, or was revoked: the agent needs the cluster's present token"


class TunnelAdmission:
    """Checks requests for tunnels. ``anonymous`` limits those without a valid token."""

    def __init__(self, store: Store, anonymous: AnonymousLimiter) -> None:
        self._store = store
        self._anonymous = anonymous

    async def owner(self, request: web.BaseRequest, address: str) -> TunnelOwner:
        """Return whose tunnel it is.

        Raises:
            ApiProblem: 400, 401 or 403.
            LimitExceeded: too many requests without a valid token.
            StoreUnavailable: the token cannot be read.
        """
        network = network_of(address)
        _check_identities(request)
        if "Authorization" not in request.headers:
            self._anonymous.begin(network).release()
            raise ApiProblem(401, "no credential: an agent sends its token", headers=CHALLENGE)
        self._anonymous.check(network)
        try:
            return await self._find(request)
        except ApiProblem:
            self._anonymous.failed(network)
            raise

    async def _find(self, request: web.BaseRequest) -> TunnelOwner:
        value = request.headers["Authorization"].encode("utf-8", "surrogateescape")
        try:
            bearer = bearer_from(value)
        except InvalidAuthorization as exc:
            raise ApiProblem(400, str(exc)) from None
        if not value.strip().lower().startswith(b"bearer "):
            raise ApiProblem(401, _WRONG, headers=CHALLENGE)
        digest = agent_token_digest(bearer.decode("utf-8", "surrogateescape"))
        token = await self._store.agent_tokens.find(digest)
        if token is None:
            raise ApiProblem(401, _WRONG, headers=CHALLENGE)
        cluster = await self._store.clusters.get(token.cluster_id)
        if cluster is None:
            raise ApiProblem(403, "the cluster of the agent was removed")
        return TunnelOwner(cluster.id, cluster.name, token.id, digest)


def _check_identities(request: web.BaseRequest) -> None:
    """Raise ApiProblem for a request that names two callers, or comes from a page."""
    if len(request.headers.getall("Authorization", ())) > 1:
        raise ApiProblem(400, "the request has two credentials: send one")
    if "Cookie" in request.headers:
        raise ApiProblem(400, "the request has a cookie: an agent sends its token only")
    if "Origin" in request.headers:
        raise ApiProblem(400, "the request comes from a page: tunnels are for agents")
