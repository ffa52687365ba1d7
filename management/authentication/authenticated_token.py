"""The record of an authenticated token, built from the store or from an external token."""

import hmac
import math
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType

from impersonation.identity import Group, Identity
from impersonation.reserved_names import ReservedName, reject_reserved
from management.authentication.external_tokens import TokenGrants, VerifiedExternalToken
from management.authorization.access import Access, access_of
from management.authorization.role_catalog import RoleCatalog
from store.records import Change, Holdings, Membership, Token, User, UsernameMapping

REVALIDATE_SECONDS = 30.0
"""Age at which a cached entry is read from the store again while the change feed works.

A safety net below the feed. No request waits for it: where the store is slow, thousands of requests
would wait, exactly when the load is highest."""

TRUST_SECONDS = 45.0
"""The longest that an entry is used, whether or not it could be revalidated."""

MUST_CHANGE = (
    "your password was set by an administrator: change it first, with `sekisho login` or on the "
    "sign-in page"
)
"""The response of a confined session to every request other than a change of password."""


@dataclass(slots=True, eq=False)
class AuthenticatedToken:
    """A live token and all that a decision needs: the user, the identity, the grants.

    ``trusted_until`` and ``revalidate_at`` are seconds of the monotonic clock. ``namespaces`` are
    those of the token's projects, by cluster. ``blocks`` caches the impersonation headers while the
    identity is trusted, one for each way of naming users; ``audit_user`` does the same for the
    audit log. ``external`` is set for a token of another issuer.
    """

    token: Token
    user: User
    identity: Identity
    access: Access
    expires_at: float
    trusted_until: float
    revalidate_at: float = math.inf
    blocks: dict[UsernameMapping, bytes] = field(default_factory=dict)
    audit_user: str = ""
    external: VerifiedExternalToken | None = None
    namespaces: Mapping[str, frozenset[str]] = field(default_factory=dict)


def from_stored_token(
    token: Token,
    user: User,
    memberships: Sequence[Membership],
    holdings: Holdings,
    *,
    digest: bytes,
) -> AuthenticatedToken | None:
    """Return the entry for a stored token.

    None if the secret is wrong, the token is expired or the user or principal is disabled.
    """
    if not hmac.compare_digest(token.digest, digest):
        return None
    return _authenticated(token, user, memberships, holdings)


def from_external_token(
    verified: VerifiedExternalToken, grants: TokenGrants
) -> AuthenticatedToken | None:
    """Return the entry for a verified token of another issuer; None if it grants nothing now."""
    entry = _authenticated(grants.token, grants.user, grants.memberships, grants.holdings)
    if entry is not None:
        entry.external = verified
    return entry


def _authenticated(
    token: Token, user: User, memberships: Sequence[Membership], holdings: Holdings
) -> AuthenticatedToken | None:
    """Return the entry for a token whose secret was verified; None if expired or disabled."""
    if token.expires_at is not None and token.expires_at <= datetime.now(UTC):
        return None
    # A confined session holds nothing anywhere, for any request and on either request path.
    access = Access()
    if not token.confined:
        access = access_of(holdings.bindings, RoleCatalog(holdings.roles))
    identity = identity_of(
        user, token.principal_id, memberships, administrator=access.owns_clusters
    )
    if not user.enabled or identity is None:
        return None
    now = time.monotonic()
    return AuthenticatedToken(
        token=token,
        user=user,
        identity=identity,
        access=access,
        expires_at=token.expires_at.timestamp() if token.expires_at else float("inf"),
        trusted_until=now + TRUST_SECONDS,
        revalidate_at=now + REVALIDATE_SECONDS,
        namespaces=_namespaces(holdings),
    )


def _namespaces(holdings: Holdings) -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for one in holdings.namespaces:
        found[one.cluster_id].add(one.namespace)
    return MappingProxyType({cluster: frozenset(names) for cluster, names in found.items()})


def identity_of(
    user: User,
    principal_id: str,
    memberships: Sequence[Membership],
    *,
    administrator: bool = False,
) -> Identity | None:
    """Return the identity of ``user`` acting as one of its principals.

    None if the principal is not the user's, or is disabled, or if a stored name is reserved: an
    older version or an operator may have stored it. ``administrator``: of every cluster.
    """
    principal = next((one for one in user.principals if one.id == principal_id), None)
    if principal is None or principal.disabled_reason is not None:
        return None
    try:
        reject_reserved([user.id, principal.id, principal.name, *(m.id for m in memberships)])
    except ReservedName:
        return None
    return Identity(
        user_id=user.id,
        username=principal.name,
        provider=principal.provider,
        principal_id=principal.id,
        groups=tuple(Group(one.id, one.name) for one in memberships),
        administrator=administrator,
    )


EVERY_CLUSTER = ("cluster", None)


def cache_tags_of(entry: AuthenticatedToken) -> list[tuple[str, str | None]]:
    """Return the kinds and keys of the changes that can make an entry stale."""
    access, token = entry.access, entry.token
    about: list[tuple[str, str | None]] = [
        ("token", token.name),
        ("user", entry.user.id),
        ("provider", entry.identity.provider),
    ]
    about += [("group", group.id) for group in entry.identity.groups]
    about += [("project", one) for one in {*token.projects, *access.project_clusters}]
    about += [("cluster", one) for one in access.clusters]
    if access.owns_clusters:
        about.append(EVERY_CLUSTER)
    return about


def concerns(change: Change, entry: AuthenticatedToken) -> bool:
    """Return whether ``change`` can make ``entry`` stale."""
    if change.kind in {"all", "role"} or change.key is None:
        return True
    if change.kind == "token":
        return entry.token.name == change.key
    if change.kind == "user":
        return entry.user.id == change.key
    if change.kind == "group":
        return any(group.id == change.key for group in entry.identity.groups)
    if change.kind == "provider":
        return entry.identity.provider == change.key
    if change.kind == "project":
        return change.key in entry.token.projects or change.key in entry.access.project_clusters
    # Changed roles come as changes of users and groups; the status of clusters decides nothing.
    return change.kind == "cluster" and entry.access.can_enter(change.key)


def size_in_bytes(entry: AuthenticatedToken) -> int:
    """Return the approximate size of an entry, including its cached headers and audit user."""
    access = entry.access
    held = len(access.roles) + len(entry.namespaces)
    return 5_000 + 260 * len(entry.identity.groups) + 500 * held
