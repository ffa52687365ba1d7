"""Somebody else's token for one of ours: ``grant_type=…:token-exchange`` (RFC 8693).

A pipeline shows the token that its CI has given it for this run, and gets a short one that is good
for what the provider's rules say of its claims. Nothing is stored at the CI.
"""

from collections.abc import Sequence
from datetime import timedelta

from management.authorization.access import access_of
from management.authorization.book import RoleBook
from management.oauth.errors import (
    ACCESS_DENIED,
    INVALID_REQUEST,
    INVALID_SCOPE,
    INVALID_TARGET,
    OAuthError,
)
from management.oauth.grant import Asked, Granted
from management.scoping import projects_named, within
from management.sign_in import SignedIn
from providers.base import BearerScope, Refused
from store.access_records import Project
from store.interfaces import User

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a type, no token
_SUBJECTS = frozenset(
    f"urn:ietf:params:oauth:token-type:{kind}" for kind in ("jwt", "id_token", "access_token")
)
DEFAULT_LIFETIME = timedelta(minutes=15)
READ_ONLY = "read-only"


async def redeem(asked: Asked) -> Granted:
    """A token for a token. Raises OAuthError, ProviderUnavailable, StoreUnavailable, TtlTooLong."""
    form, granting = asked.form, asked.granting
    if form.one("subject_token_type") not in _SUBJECTS:
        raise OAuthError(INVALID_REQUEST, "subject_token_type must be that of a JWT")
    if form.maybe("requested_token_type") not in {"", ACCESS_TOKEN}:
        raise OAuthError(INVALID_REQUEST, f"requested_token_type can only be {ACCESS_TOKEN}")
    if form.maybe("actor_token"):
        raise OAuthError(INVALID_REQUEST, "nobody can act for somebody else here: no actor_token")
    read_only = _read_only(form.maybe("scope"))
    found = await granting.bearers.verify(form.one("subject_token"))
    if isinstance(found, Refused):
        raise _denied(asked, found)
    identity, scope = found.verified.identity, found.verified.scope
    asked.note(provider=found.provider, **({"rule": scope.rule} if scope.rule else {}))
    user = await granting.sign_in.user_of(found.provider, found.door, identity, proof=False)
    if isinstance(user, Refused):
        raise _denied(asked, user)
    clusters = await _clusters(asked, user, scope, form.many("audience"))
    projects = await _projects(asked, scope, clusters)
    issued = await granting.tokens.issue(
        user,
        kind="token",
        principal_id=identity.principal_id,
        ttl=scope.lifetime or DEFAULT_LIFETIME,
        clusters=clusters or sorted({one.cluster_id for one in projects}),
        projects=[one.id for one in projects],
        read_only=read_only or scope.read_only,
        description=f"exchanged at {found.provider}" + (f", {scope.rule}" if scope.rule else ""),
    )
    late = await granting.sign_in.still_open(found.provider, found.door, identity)
    if late is not None:
        await granting.store.tokens.revoke(issued.token.name)
        raise _denied(asked, late)
    granting.sign_in.tell_signed_in(found.provider, asked.address, user, issued)
    return Granted(asked.let_in(SignedIn(user, issued)), exchanged=True)


def _denied(asked: Asked, why: Refused) -> OAuthError:
    asked.refuse(why)
    asked.granting.sign_in.tell_refused("", asked.address, why)
    return OAuthError(ACCESS_DENIED, "the token was refused; the audit log says why", status=401)


def _read_only(scope: str) -> bool:
    words = scope.split()
    if any(word != READ_ONLY for word in words):
        raise OAuthError(INVALID_SCOPE, f"the only scope is {READ_ONLY}")
    return bool(words)


async def _clusters(
    asked: Asked, user: User, scope: BearerScope, audience: Sequence[str]
) -> list[str]:
    """The ids of the clusters that the token is for; none: no limit, and none was asked for."""
    store = asked.granting.store
    allowed = await _ids(asked, scope.clusters)
    if scope.clusters and not allowed:
        why = Refused("no_cluster", f"rule {scope.rule} names no cluster that is there")
        raise _denied(asked, why)
    wanted = await _ids(asked, audience)
    if len(wanted) < len(set(audience)) or (allowed and not set(wanted) <= set(allowed)):
        raise _no_target(user)
    limited = wanted or allowed
    if limited:
        groups = [one.id for one in await store.users.memberships(user.id)]
        held = await store.tokens.holdings(user.id, groups)
        access = access_of(held.bindings, RoleBook(held.roles))
        limited = [one for one in limited if access.enters(one)]
        if not limited or len(limited) < len(wanted):
            raise _no_target(user)
    return limited


async def _projects(asked: Asked, scope: BearerScope, clusters: Sequence[str]) -> list[Project]:
    """The projects whose namespaces the token is for; none: no limit."""
    found = within(await projects_named(asked.granting.store, scope.projects), clusters)
    if scope.projects and not found:
        # No project would mean no limit.
        why = Refused("no_project", f"rule {scope.rule} names no project that is there")
        raise _denied(asked, why)
    return found


async def _ids(asked: Asked, names: Sequence[str]) -> list[str]:
    found = [await asked.granting.store.clusters.get(name) for name in dict.fromkeys(names)]
    return list(dict.fromkeys(cluster.id for cluster in found if cluster is not None))


def _no_target(user: User) -> OAuthError:
    return OAuthError(
        INVALID_TARGET,
        f"user {user.id} ({user.username}) may not enter that cluster with this token: "
        "see `sekisho cluster grant`, and the provider's rules",
    )
