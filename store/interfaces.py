"""What Sekisho may ask of its store: records and protocols, no SQL.

Records are frozen; a change is a method of a repository, never an assignment. All times are aware
UTC datetimes. Every method may raise :class:`StoreUnavailable`; a caller must never read that as
"no such record". Text that databases can't hold (NUL, lone surrogates) is found by no look-up, and
is a ValueError where it should be stored.
"""

import enum
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from store.access_records import Binding, Bindings, ProjectNamespace, Projects, Role, Roles
from store.fleet_records import Answers, Fleet, Leases


class StoreError(Exception):
    """Root of everything the store raises. The message is fit for an operator's eyes."""


class StoreUnavailable(StoreError):
    """The database can't be reached, is locked, or is read-only: try again, or mend it."""


class SchemaTooNew(StoreError):
    """The database was written by a newer Sekisho than this one."""


class SchemaTooOld(StoreError):
    """The database needs ``sekisho db upgrade`` before this Sekisho may use it."""


class KeyMismatch(StoreError):
    """None of the configured encryption keys opens what is stored."""


class Conflict(StoreError):
    """A record with that name or key exists already."""


class NotFound(StoreError):
    """There is no such record."""


class StaleRevision(StoreError):
    """The record was changed since it was read."""


class InUse(StoreError):
    """Something else depends on the record."""


class LastAdministrator(StoreError):
    """Nobody would be left who administers Sekisho."""


ADMINISTRATOR = "administrator"
"""The id of the role whose last enabled user stays."""

Isolation = Literal["shared", "per_user"]
"""Whether the gate enters a cluster with one account for all, or with one for each user."""

TokenKind = Literal["session", "token", "kubeconfig"]
"""What a token was made for; the first part of its name. A ``bearer`` is made by somebody else and
never stored."""

SubjectName = Literal["id", "principal", "username"]
"""Which name of a user a cluster is told (``impersonation.user_name``)."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A way in which a user is known: ``id`` (``local://u-…``, ``github_user://42``) is the key.

    ``disabled_reason`` says why nobody may act as it for now: what its provider refused.
    """

    id: str
    provider: str
    name: str
    disabled_reason: str | None = None


@dataclass(frozen=True, slots=True)
class KnownPrincipal:
    """What is kept beside a principal, for whoever asks its provider again.

    ``secret`` is the provider's, plain here and encrypted at rest. ``last_seen_at`` is the last
    sign-in; ``refreshed_at`` is when the provider was last asked (None: never).
    """

    id: str
    user_id: str
    provider: str
    name: str
    secret: str | None = field(default=None, repr=False)
    last_seen_at: datetime | None = None
    refreshed_at: datetime | None = None
    disabled_reason: str | None = None


AccessMode = Literal["unrestricted", "restricted", "required"]
"""Who of those that a provider vouches for may come in (:mod:`management.access_modes`)."""


@dataclass(frozen=True, slots=True)
class StoredProvider:
    """A provider that was added at run time. ``settings`` are encrypted at rest, as a whole."""

    name: str
    type: str
    enabled: bool
    settings: Mapping[str, Any] = field(repr=False)
    access_mode: AccessMode
    allowed_principals: tuple[str, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Membership:
    """A group principal that ``provider`` says a user is in."""

    id: str
    provider: str
    name: str


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may sign in. ``id`` is ``u-`` and 10 base32 characters and is never reused.

    ``administrator``: bound to that role by name, not as a member of a group.
    """

    id: str
    username: str
    display_name: str
    enabled: bool
    administrator: bool
    created_at: datetime
    principals: tuple[Principal, ...] = ()
    revision: int = 1


@dataclass(frozen=True, slots=True)
class Password:
    """The local provider's record of a user: an Argon2id hash (PHC string), never a password."""

    user_id: str
    username: str
    enabled: bool
    hash: str = field(repr=False)
    must_change: bool = False


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token as stored: SHA-256 of the whole ``<name>:<secret>``, never the secret.

    ``clusters`` limits the token to those cluster ids (empty: no limit), ``projects`` to those
    projects' namespaces, and ``read_only`` to reading. ``expires_at`` None means that it doesn't
    end by itself. ``signed_in_at`` is when somebody proved who they are, for a session's token:
    renewing it doesn't move that.
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
    projects: tuple[str, ...] = ()
    signed_in_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Holdings:
    """What decides where somebody may go, and as what.

    ``bindings`` are the user's and the user's groups'; ``roles`` those that people made;
    ``namespaces`` those of the projects that the token is for.
    """

    bindings: Sequence[Binding] = ()
    roles: Sequence[Role] = ()
    namespaces: Sequence[ProjectNamespace] = ()


class CredentialSource(enum.StrEnum):
    """Where a cluster's service-account tokens came from, and so whether they can be renewed."""

    TOKEN_REQUEST = "token-request"  # noqa: S105 - renewed by the server before it ends
    SECRET = "secret"  # noqa: S105 - a long-lived Secret downstream
    STATIC = "static"  # given by hand (`cluster add`)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A downstream cluster. ``id`` is ``c-`` and 10 base32 characters; ``name`` is unique too.

    ``servers`` are the masters' base URLs (https, no trailing slash, any order). ``ca_pem`` None
    means the system's trust store. The two tokens are plain here and encrypted at rest;
    ``controller_token`` None means that only what the impersonator may do is possible.
    ``tokens_expire_at`` is when the earlier of the two ends (None: they don't). Once
    ``removing_since`` is set, nobody enters any more, and what is ours downstream is taken away.
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
    user_name: SubjectName = "id"
    isolation: Isolation = "shared"
    removing_since: datetime | None = None
    revision: int = 1


@dataclass(frozen=True, slots=True)
class Change:
    """Something cached may be stale. ``key`` None: anything of that ``kind`` may have changed.

    Kinds: ``user`` (key: user id; also its passwords, groups and roles), ``group`` (key: a group
    principal whose roles changed), ``token`` (key: token name), ``cluster`` (key: cluster id),
    ``access`` (key: the cluster in which somebody's roles changed), ``role``, ``project`` (key: its
    id; also its namespaces), ``provider`` (key: its name), ``status`` (key: the cluster of which
    something was seen), and ``all``.
    """

    kind: Literal[
        "user",
        "group",
        "token",
        "cluster",
        "access",
        "role",
        "project",
        "provider",
        "status",
        "all",
    ]
    key: str | None = None


class Users(Protocol):
    """Users, their principals, groups and local passwords."""

    async def create(
        self, user: User, *, password_hash: str | None = None, must_change: bool = False
    ) -> None:
        """Store ``user`` with its principals, and a local password if given, in one transaction.

        Raises Conflict where an id, a principal or the local sign-in name is taken.
        """

    async def get(self, user_id: str) -> User | None:
        """The user with that id."""

    async def get_many(self, user_ids: Sequence[str]) -> Sequence[User]:
        """Those of the users that are there, by username."""

    async def by_principal(self, principal_id: str) -> User | None:
        """The user who owns that principal."""

    async def find(self, name: str) -> Sequence[User]:
        """Every user whose id, username or principal id is exactly ``name``: often one, or none."""

    async def list_all(self) -> Sequence[User]:
        """Every user, by username."""

    async def update(
        self,
        user_id: str,
        *,
        display_name: str | None = None,
        enabled: bool | None = None,
        administrator: bool | None = None,
        revision: int | None = None,
        even_last: bool = False,
    ) -> User:
        """Change what is not None and return the user as it is now.

        Raises NotFound, LastAdministrator (unless ``even_last``), and StaleRevision where
        ``revision`` isn't the user's.
        """

    async def delete(self, user_id: str, *, even_last: bool = False) -> None:
        """Delete the user with principals, groups, password, tokens and roles.

        Raises NotFound, and LastAdministrator (unless ``even_last``).
        """

    async def anybody(self) -> bool:
        """Whether there is any user."""

    async def any_administrator(self) -> bool:
        """Whether at least one enabled administrator exists."""

    async def memberships(self, user_id: str) -> Sequence[Membership]:
        """The group principals the user is in, over all providers, by id."""

    async def groups(self) -> Sequence[tuple[Membership, int]]:
        """Every group principal that somebody is in, and how many are, by id."""

    async def set_memberships(
        self, user_id: str, provider: str, groups: Sequence[Membership]
    ) -> None:
        """Replace what ``provider`` says of the user's groups."""

    async def password(self, username: str) -> Password | None:
        """The local password record for a sign-in name (compared case-insensitively)."""

    async def set_password(
        self, user_id: str, username: str, password_hash: str, *, must_change: bool = False
    ) -> None:
        """Store a local password hash. Raises Conflict where another user has that sign-in name."""


class Tokens(Protocol):
    """Bearer tokens."""

    async def create(self, token: Token) -> None:
        """Store a new token. Raises Conflict where the name is taken."""

    async def get(self, name: str) -> Token | None:
        """The token with that name, also when it has ended."""

    async def resolve(self, name: str) -> tuple[Token, User, Sequence[Membership], Holdings] | None:
        """The token with that name and everything that decides what it is worth, in one go.

        What the gate asks on a cache miss. Ended tokens and disabled users are returned as well.
        """

    async def holdings(
        self, user_id: str, groups: Sequence[str], projects: Sequence[str] = ()
    ) -> Holdings:
        """The same of a user in ``groups`` whose token, for ``projects``, isn't stored."""

    async def list_for(self, user_id: str) -> Sequence[Token]:
        """A user's tokens, newest first."""

    async def revoke(self, name: str) -> bool:
        """Delete the token; every replica knows within a second. False where there is none."""

    async def shorten(self, name: str, expires_at: datetime) -> bool:
        """Let the token end then, if it would end later; whether that changed anything."""

    async def touch(self, last_used: Sequence[tuple[str, datetime]]) -> None:
        """Record last uses, many in one statement. Doesn't announce a change."""

    async def delete_ended(self, before: datetime) -> int:
        """Delete tokens that ended before then; how many there were."""


class Identities(Protocol):
    """What is known of principals at their providers, and the end of what hangs on them."""

    async def get(self, principal_id: str) -> KnownPrincipal | None:
        """What is known of a principal."""

    async def of_user(self, user_id: str) -> Sequence[KnownPrincipal]:
        """The same of all of a user's, by id."""

    async def seen(
        self, principal_id: str, at: datetime, secret: str | None = None, *, fresh: bool = True
    ) -> None:
        """The provider has just vouched for it: it is good again. Raises NotFound.

        ``secret`` None keeps the one there is. ``fresh``: what the provider said is of now, so it
        needn't be asked again for a while; else it was a token that it issued some time ago.
        """

    async def due(self, provider: str, before: datetime, *, limit: int) -> Sequence[KnownPrincipal]:
        """Those of ``provider`` not asked about since ``before``, the longest waiting first.

        None that are disabled, nor of users who are: they come back by signing in.
        """

    async def of_provider(self, provider: str) -> Sequence[KnownPrincipal]:
        """All of a provider's that aren't disabled, by id."""

    async def claim(self, known: KnownPrincipal, at: datetime) -> bool:
        """Take the refreshing of ``known`` on; False where somebody else has since it was read."""

    async def release(
        self, principal_id: str, claimed_at: datetime, refreshed_at: datetime | None
    ) -> None:
        """Give a claim back, so that it is due again. Nothing where it was taken over."""

    async def renew(self, principal_id: str, secret: str) -> None:
        """Keep the provider's new secret."""

    async def refuse(self, principal_id: str, reason: str) -> int:
        """Cut a principal off: disabled, its tokens revoked, its provider's groups removed.

        All in one transaction; how many tokens there were. Nothing where there is no such one.
        """

    async def link(self, user_id: str, principal: Principal, secret: str | None = None) -> None:
        """Give a user one more principal. Raises Conflict where it is somebody's, and NotFound."""

    async def unlink(self, user_id: str, principal_id: str) -> int:
        """Take one away with its tokens and groups; how many tokens there were.

        Raises NotFound where it isn't the user's, and Conflict where it is the last.
        """

    async def revoke_tokens(
        self, *, provider: str | None = None, user_id: str | None = None, keep: str | None = None
    ) -> int:
        """Revoke tokens, but the one named ``keep``; how many there were.

        Those of a provider's principals, or of a user, or (both given) of both at once.
        """

    async def unseen(self, before: datetime) -> Sequence[User]:
        """Users who were made and last seen before then. No administrators.

        Neither a sign-in nor a token's making or use is later.
        """


class OneTime(Protocol):
    """Values that are good once, over all replicas. Only digests of them are stored."""

    async def spend(self, value: str, expires_at: datetime) -> bool:
        """Use ``value`` up; False where it was before. ``expires_at``: when it ends by itself."""

    async def clear(self, before: datetime) -> int:
        """Forget those that ended before then; how many there were."""


class StoredProviders(Protocol):
    """Providers that are added and changed at run time."""

    async def list_all(self) -> Sequence[StoredProvider]:
        """Every one, by name. Raises StoreUnavailable where no key opens its settings."""

    async def get(self, name: str) -> StoredProvider | None:
        """The one with that name."""

    async def create(self, provider: StoredProvider) -> None:
        """Store a new one. Raises Conflict where the name is taken."""

    async def replace(self, provider: StoredProvider) -> None:
        """Store it in place of the one with its name. Raises NotFound."""

    async def delete(self, name: str) -> None:
        """Delete it. Its principals stay. Raises NotFound."""


class Clusters(Protocol):
    """Downstream clusters and who may enter them."""

    async def create(self, cluster: Cluster) -> None:
        """Store a new cluster. Raises Conflict where id or name is taken."""

    async def get(self, id_or_name: str) -> Cluster | None:
        """The cluster with that id, else with that name."""

    async def list_all(self) -> Sequence[Cluster]:
        """Every cluster, by name."""

    async def ids(self) -> Sequence[str]:
        """The id of every cluster: no credential is decrypted for it."""

    async def replace(self, cluster: Cluster, *, revision: int | None = None) -> None:
        """Store ``cluster`` in place of the one with its id; its revision moves.

        Raises NotFound, and StaleRevision where ``revision`` isn't the cluster's.
        """

    async def delete(self, cluster_id: str) -> None:
        """Delete the cluster with all that is held in it. Raises NotFound."""


class Changes(Protocol):
    """Tells every cache, in every replica, what may be stale."""

    @property
    def live(self) -> bool:
        """Whether changes made elsewhere arrive. While False, cache nothing over a second."""

    def subscribe(self) -> AbstractAsyncContextManager[AsyncIterator[Change]]:
        """Changes from now on, from this process and all others, within a second of their commit.

        A subscriber that falls behind, or a feed that lost its connection, gets ``Change("all")``.
        """


class Store(Protocol):
    """An open store. Close it once."""

    @property
    def users(self) -> Users:
        """Users."""

    @property
    def tokens(self) -> Tokens:
        """Tokens."""

    @property
    def identities(self) -> Identities:
        """What is known of principals at their providers."""

    @property
    def one_time(self) -> OneTime:
        """Values that are good once."""

    @property
    def providers(self) -> StoredProviders:
        """Providers that are added at run time."""

    @property
    def clusters(self) -> Clusters:
        """Clusters."""

    @property
    def roles(self) -> Roles:
        """Roles that people made."""

    @property
    def bindings(self) -> Bindings:
        """Who holds which role."""

    @property
    def projects(self) -> Projects:
        """Projects and their namespaces."""

    @property
    def fleet(self) -> Fleet:
        """What is seen of clusters."""

    @property
    def leases(self) -> Leases:
        """Who looks after what."""

    @property
    def answers(self) -> Answers:
        """What requests with a key were answered."""

    @property
    def changes(self) -> Changes:
        """What may be stale."""

    async def ping(self) -> None:
        """Raise StoreUnavailable unless the database answers."""

    async def close(self) -> None:
        """Close every connection."""
