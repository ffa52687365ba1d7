"""Records of users, tokens, providers, clusters and changes. Roles and projects: access_records.

Records are frozen. A repository method makes each change, never an assignment. All times are aware
UTC datetimes.

The module is over 300 lines because records refer to each other.
"""

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from config.address_policy import DEFAULT_POLICY, AddressPolicy
from config.dialing import Dialer
from store.access_records import Binding, ProjectNamespace, Role

ADMINISTRATOR = "administrator"
"""The id of the administrators' role. It always keeps at least one enabled user."""


ImpersonatorMode = Literal["shared", "per_user"]
"""Whether the proxy impersonates with one account for all users, or with one for each user."""


Reach = Literal["direct", "agent"]
"""Whether Sekisho connects to a cluster's API servers, or through the tunnels of its agents."""


TokenKind = Literal["session", "token", "kubeconfig"]
"""The purpose of a token, and the first part of its name. A ``bearer`` comes from another issuer
and is never stored."""


UsernameMapping = Literal["id", "principal", "username"]
"""By which name a cluster knows a user: the value of ``Impersonate-User``."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A user's account at a provider. ``id`` (``local://u-…``, ``github_user://42``) is the key.

    ``disabled_reason`` is why the principal must not be used now: the provider's rejection.
    ``refresh_failures`` and ``grant_ended_at`` are as in :class:`PrincipalRecord`.
    """

    id: str
    provider: str
    name: str
    disabled_reason: str | None = None
    refresh_failures: int = 0
    grant_ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PrincipalRecord:
    """A principal with the data for refreshes.

    ``secret`` is the provider's: plain here, encrypted at rest. ``last_seen_at`` is the last
    sign-in, ``refreshed_at`` the last refresh (None: never). ``refresh_failures`` counts
    consecutive failed refreshes; the next refresh is not before ``refresh_after``.
    ``grant_ended_at`` is when the provider reported that ``secret`` has ended: the next refresh
    needs a new sign-in.
    """

    id: str
    user_id: str
    provider: str
    name: str
    secret: str | None = field(default=None, repr=False)
    last_seen_at: datetime | None = None
    refreshed_at: datetime | None = None
    disabled_reason: str | None = None
    refresh_failures: int = 0
    refresh_after: datetime | None = None
    grant_ended_at: datetime | None = None


AccessMode = Literal["unrestricted", "restricted", "required"]
"""Which of a provider's users may sign in (``management.identity``)."""


@dataclass(frozen=True, slots=True)
class StoredProvider:
    """A provider that was added at run time. ``settings`` are encrypted at rest, as a whole.

    ``unreadable`` is why the stored settings cannot be decrypted. ``settings`` are then empty, and
    the provider is not usable. Storing such a record keeps the stored settings, unless it has new
    ones.
    """

    name: str
    type: str
    enabled: bool
    settings: Mapping[str, Any] = field(repr=False)
    access_mode: AccessMode
    allowed_principals: tuple[str, ...]
    created_at: datetime
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class Membership:
    """A group principal of a user, as ``provider`` reports it."""

    id: str
    provider: str
    name: str


@dataclass(frozen=True, slots=True)
class User:
    """A user. ``id`` is ``u-`` and 10 base32 characters and is never reused.

    ``administrator``: bound to that role directly, not through a group.
    """

    id: str
    username: str
    display_name: str
    enabled: bool
    administrator: bool
    created_at: datetime
    principals: tuple[Principal, ...] = ()
    revision: int = 1
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Password:
    """A local account: an Argon2id hash (PHC string), never a password."""

    user_id: str
    username: str
    enabled: bool
    hash: str = field(repr=False)
    must_change: bool = False
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token as stored: SHA-256 of the whole ``<name>:<secret>``, never the secret.

    ``clusters`` limits the token to those cluster ids (empty: no limit), ``projects`` to those
    projects' namespaces, and ``read_only`` to reading; ``proxy_read`` extends that to responses of
    services and pods, and to metrics of nodes. ``expires_at`` None: the token does not expire.
    ``signed_in_at`` is the time of the sign-in, for a session's token; a renewal keeps it.

    ``parent`` names the token that created this one. ``sign_in`` names the first session of the
    sign-in, also for renewed sessions and for tokens that were created in them. A ``confined``
    token only permits changing the user's password.
    """

    name: str
    kind: TokenKind | Literal["bearer"]
    digest: bytes = field(repr=False)
    user_id: str
    principal_id: str
    description: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = None
    clusters: tuple[str, ...] = ()
    read_only: bool = False
    proxy_read: bool = False
    projects: tuple[str, ...] = ()
    signed_in_at: datetime | None = None
    parent: str | None = None
    sign_in: str | None = None
    confined: bool = False


@dataclass(frozen=True, slots=True)
class NamedPrincipal:
    """A known user or group of a provider. ``kind`` is ``user`` or ``group``."""

    id: str
    name: str
    display_name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Holdings:
    """The records that decide about a user's permissions.

    ``bindings`` are those of the user and of the user's groups. ``roles`` are the custom roles.
    ``namespaces`` are those of the token's projects.
    """

    bindings: Sequence[Binding] = ()
    roles: Sequence[Role] = ()
    namespaces: Sequence[ProjectNamespace] = ()


Check = Callable[[Holdings], None]
"""A function that raises if the user's holdings, read in the same transaction, forbid the write."""


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A new local password, and the tokens that end with the old one.

    ``expires_at`` is when the password expires (None: never). ``ends`` are the user's sessions, or
    all of the user's tokens, except the one named ``keep``.
    """

    username: str
    hash: str = field(repr=False)
    must_change: bool = False
    expires_at: datetime | None = None
    ends: Literal["nothing", "sessions", "tokens"] = "nothing"
    keep: str | None = None


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """Numbers of tokens that have not ended. ``used``: those with a use since a given time."""

    sessions: int = 0
    tokens: int = 0
    kubeconfigs: int = 0
    used: int = 0


class CredentialSource(enum.StrEnum):
    """The source of a cluster's service-account tokens, which decides whether they are renewed."""

    TOKEN_REQUEST = "token-request"  # noqa: S105 - Sekisho renews the token before it expires
    SECRET = "secret"  # noqa: S105 - a long-lived Secret in the cluster
    STATIC = "static"  # given by an operator (`cluster add`)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster. ``id`` is ``c-`` and 10 base32 characters; ``name`` is unique, too.

    ``servers`` are the base URLs of its API servers (https, no trailing slash, any order).
    ``ca_pem`` None means the system's trust store. The two tokens are plain here and encrypted at
    rest. ``controller_token`` None: only operations of the impersonator are possible.
    ``tokens_expire_at`` is when the first of the two expires (None: never). After
    ``removing_since`` is set, requests are rejected, and Sekisho's objects are removed from the
    cluster. ``uid`` is the uid of the namespace ``kube-system``, which identifies the cluster under
    any address (None: never read). ``trusted_addresses`` are those that an import by the operator
    allows although they are denied by default. ``addresses`` is the process's policy on
    connections to the cluster, and ``dialer`` makes those to a cluster whose ``reach`` is
    ``agent``; neither is stored. While ``held_since`` is set, Sekisho changes nothing in the
    cluster: the database was restored, and not accepted yet. ``unreadable`` is why the stored
    tokens cannot be decrypted. The tokens are then empty, and the cluster is not usable. Storing
    such a record keeps the stored tokens, unless it has new ones.
    """

    id: str
    name: str
    servers: tuple[str, ...]
    ca_pem: str | None
    tls_server_name: str | None
    impersonator_token: str = field(repr=False)
    controller_token: str | None = field(repr=False)
    credential_source: CredentialSource
    tokens_expire_at: datetime | None
    created_at: datetime
    username_mapping: UsernameMapping = "id"
    impersonator: ImpersonatorMode = "shared"
    removing_since: datetime | None = None
    revision: int = 1
    uid: str | None = None
    trusted_addresses: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    addresses: AddressPolicy = field(default=DEFAULT_POLICY, repr=False, compare=False)
    reach: Reach = "direct"
    held_since: datetime | None = None
    dialer: Dialer | None = field(default=None, repr=False, compare=False)
    unreadable: str = ""

    @property
    def is_pending(self) -> bool:
        """Whether the cluster's name is reserved, but its registration is not complete."""
        return self.reach == "agent" and not self.impersonator_token and not self.unreadable


ChangeKind = Literal[
    "user",
    "group",
    "token",
    "token-created",
    "cluster",
    "access",
    "role",
    "project",
    "provider",
    "status",
    "report",
    "tunnels",
    "agent-token",
    "management-cluster",
    "order",
    "all",
]


@dataclass(frozen=True, slots=True)
class Change:
    """A change that makes cached values stale. ``key`` None: any record of ``kind`` may have
    changed.

    Kinds: ``user`` (key: user id; also its passwords, groups and roles), ``group`` (key: a group
    principal whose roles changed), ``token`` (key: token name), ``token-created`` (key: the id of
    its user; no cache needs it), ``cluster`` (key: cluster id), ``access`` (key: the cluster in
    which roles changed), ``role``, ``project`` (key: its id; also its namespaces), ``provider``
    (key: its name), ``status`` (key: the cluster whose status changed), ``report`` (key: the
    cluster with a new report), ``tunnels`` (key: the cluster whose tunnels changed),
    ``agent-token`` (key: the cluster whose agent tokens changed), ``management-cluster`` (key: its
    cluster id), ``order`` (key: the order's id), and ``all``.
    """

    kind: ChangeKind
    key: str | None = None


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """The last observed status of a cluster. ``data`` is plain JSON."""

    cluster_id: str
    data: Mapping[str, Any]
    updated_at: datetime


ReportKind = Literal["events", "usage", "deprecations"]


@dataclass(frozen=True, slots=True)
class ClusterReport:
    """What was last observed of one subject in a cluster. ``data`` is plain JSON.

    A report is larger than a status, and no list of clusters reads it.
    """

    cluster_id: str
    kind: ReportKind
    data: Mapping[str, Any] = field(repr=False)
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Node:
    """The last observed state of a node. ``uid`` is the key; names are reused.

    ``data`` is plain JSON (:mod:`management.controllers.node_summary`). ``left_at`` None: the node
    exists.
    """

    cluster_id: str
    uid: str
    name: str
    data: Mapping[str, Any] = field(repr=False)
    appeared_at: datetime
    left_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """The response to a request with an idempotency key. ``status`` None: still in progress."""

    request: bytes
    status: int | None
    body: str | None = field(repr=False)
