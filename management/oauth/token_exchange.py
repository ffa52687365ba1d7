"""The grant ``token-exchange``: another issuer's token for one of Sekisho (RFC 8693).

A CI pipeline sends the token of its run and gets a short-lived token with the scope that the
provider's rules derive from its claims. The CI system stores no credential.
"""

from collections.abc import Sequence
from datetime import timedelta

from management.authentication.token_scopes import find_projects, intersect_scope
from management.authorization.access import access_of
from management.authorization.role_catalog import RoleCatalog
from management.identity.sign_in import SignInResult
from management.identity.tokens import TokenSpec
from management.oauth.errors import (
    ACCESS_DENIED,
    INVALID_REQUEST,
    INVALID_SCOPE,
    INVALID_TARGET,
    OAuthError,
)
from management.oauth.grants import TokenRequest, TokenResponse
from providers.base import BearerScope, Rejected
from store.access_records import Project
from store.records import Token, User

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a type, no token
_SUBJECTS = frozenset(
    f"urn:ietf:params:oauth:token-type:{kind}" for kind in ("jwt", "id_token", "access_token")
)
DEFAULT_LIFETIME = timedelta(minutes=15)
READ_ONLY = "read-only"
PROXY_READ = "proxy-read"


async def redeem(token_request: TokenRequest) -> TokenResponse:
    """Redeem another issuer's token for a token of Sekisho.

    Raises:
        OAuthError: the exchange is rejected.
        ProviderUnavailable: the provider cannot verify the token now.
        StoreUnavailable: the store cannot be read.
        TtlTooLong: the rule's lifetime is above the maximum.
    """
    form, services = token_request.form, token_request.services
    if form.one("subject_token_type") not in _SUBJECTS:
        raise OAuthError(INVALID_REQUEST, "subject_token_type must be that of a JWT")
    if form.maybe("requested_token_type") not in {"", ACCESS_TOKEN}:
        raise OAuthError(INVALID_REQUEST, f"requested_token_type can only be {ACCESS_TOKEN}")
    if form.maybe("actor_token"):
        raise OAuthError(INVALID_REQUEST, "delegation is not supported: leave actor_token out")
    wanted = _scopes(form.maybe("scope"))
    found = await services.external_tokens.verify(form.one("subject_token"))
    if isinstance(found, Rejected):
        raise _denied(token_request, found)
    identity, scope = found.verified.identity, found.verified.scope
    token_request.note(provider=found.provider, **({"rule": scope.rule} if scope.rule else {}))
    user = await services.sign_in.resolve_user(
        found.provider, found.capabilities, identity, proof=False
    )
    if isinstance(user, Rejected):
        raise _denied(token_request, user)
    clusters = await _clusters(token_request, user, scope, form.many("audience"))
    projects = await _projects(token_request, scope, clusters)
    issued = await services.tokens.issue(
        user,
        TokenSpec(
            kind="token",
            principal_id=identity.principal_id,
            ttl=scope.lifetime or DEFAULT_LIFETIME,
            clusters=clusters or sorted({one.cluster_id for one in projects}),
            projects=[one.id for one in projects],
            read_only=bool(wanted) or scope.read_only,
            proxy_read=_proxy_read(wanted, scope),
            description=f"exchanged at {found.provider}"
            + (f", {scope.rule}" if scope.rule else ""),
        ),
    )
    late = await services.sign_in.recheck(found.provider, found.capabilities, identity)
    if late is not None:
        await services.store.tokens.revoke(issued.token.name)
        raise _denied(token_request, late)
    services.sign_in.log_sign_in(found.provider, token_request.address, user, issued)
    return TokenResponse(token_request.accepted(SignInResult(user, issued)), exchanged=True)


def _denied(token_request: TokenRequest, why: Rejected) -> OAuthError:
    token_request.note_rejection(why)
    token_request.services.sign_in.log_rejection("", token_request.address, why)
    return OAuthError(
        ACCESS_DENIED, "the token was rejected; the audit log has the reason", status=401
    )


def _scopes(text: str) -> frozenset[str]:
    wanted = frozenset(text.split())
    if not wanted <= {READ_ONLY, PROXY_READ}:
        raise OAuthError(INVALID_SCOPE, f"the only scopes are {READ_ONLY} and {PROXY_READ}")
    return wanted


def _proxy_read(wanted: frozenset[str], scope: BearerScope) -> bool:
    """Return whether a read-only token may read through the proxy: if requested and allowed."""
    if not wanted:
        return scope.proxy_read
    return PROXY_READ in wanted and (scope.proxy_read or not scope.read_only)


def scope_of(token: Token) -> str:
    """Return a token's scope as the exchange's response has it."""
    if token.proxy_read:
        return PROXY_READ
    return READ_ONLY if token.read_only else ""


async def _clusters(
    token_request: TokenRequest, user: User, scope: BearerScope, audience: Sequence[str]
) -> list[str]:
    """Return the ids of the token's clusters; empty means no limit."""
    store = token_request.services.store
    allowed = await _ids(token_request, scope.clusters)
    if scope.clusters and not allowed:
        why = Rejected("no_cluster", f"rule {scope.rule} names no existing cluster")
        raise _denied(token_request, why)
    wanted = await _ids(token_request, audience)
    if len(wanted) < len(set(audience)) or (allowed and not set(wanted) <= set(allowed)):
        raise _no_target(user)
    limited = wanted or allowed
    if limited:
        groups = [one.id for one in await store.users.memberships(user.id)]
        held = await store.tokens.holdings(user.id, groups)
        access = access_of(held.bindings, RoleCatalog(held.roles))
        limited = [one for one in limited if access.can_enter(one)]
        if not limited or len(limited) < len(wanted):
            raise _no_target(user)
    return limited


async def _projects(
    token_request: TokenRequest, scope: BearerScope, clusters: Sequence[str]
) -> list[Project]:
    """Return the token's projects; empty means no limit."""
    found = intersect_scope(
        await find_projects(token_request.services.store, scope.projects), clusters
    )
    if scope.projects and not found:
        # An empty list of projects would mean no limit.
        why = Rejected("no_project", f"rule {scope.rule} names no existing project")
        raise _denied(token_request, why)
    return found


async def _ids(token_request: TokenRequest, names: Sequence[str]) -> list[str]:
    found = [await token_request.services.store.clusters.get(name) for name in dict.fromkeys(names)]
    return list(dict.fromkeys(cluster.id for cluster in found if cluster is not None))


def _no_target(user: User) -> OAuthError:
    return OAuthError(
        INVALID_TARGET,
        f"user {user.id} ({user.username}) may not enter that cluster with this token: grant a "
        "role with `sekisho member add`, or change the provider's rules",
    )
