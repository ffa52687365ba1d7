"""The tables. A change here needs a migration (``store/migrations/versions``).

The module is over 300 lines because a schema is read, compared and migrated as a whole.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.types import TypeDecorator


def is_storable(text: str) -> bool:
    """Return whether both databases can store ``text``: without NUL and lone surrogates.

    Look-ups check this first, because names come from clients: no record has such a name, and the
    database must not fail.
    """
    return "\0" not in text and not any("\ud800" <= one <= "\udfff" for one in text)


class SafeText(TypeDecorator[str]):
    """Text of any length that both databases return unchanged."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Raise ValueError for text that cannot be stored."""
        if value is not None and not is_storable(value):
            raise ValueError("text with NUL or a lone surrogate cannot be stored")
        return value


class Sealed(LargeBinary):
    """Encrypted values. A value of another type is read as bytes, which no key decrypts.

    SQLite stores values of any type in any column, and one such row would break every query.
    """

    def result_processor(self, dialect: Any, coltype: Any) -> Callable[[Any], bytes | None]:
        """Return the function that converts a stored value to bytes."""
        return _envelope


REPLACED = "replaced"
"""What says in a column's ``info`` that a lost value is replaced in use. Then NULL is allowed."""


def _envelope(value: Any) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    return str(value).encode("utf-8", "surrogatepass")


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC datetimes, also from SQLite, which has no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Reject naive datetimes."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Return aware datetimes."""
        if value is None:
            return None
        aware: datetime = value.replace(tzinfo=UTC) if value.tzinfo is None else value
        return aware.astimezone(UTC)


NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

metadata = MetaData(naming_convention=NAMING)


def _of_user(*, primary_key: bool = False) -> Column[str]:
    return Column(
        "user_id",
        SafeText,
        ForeignKey("users.id", ondelete="CASCADE"),
        primary_key=primary_key,
        nullable=False,
    )


users = Table(
    "users",
    metadata,
    Column("id", SafeText, primary_key=True),
    Column("username", SafeText, nullable=False, index=True),
    Column("display_name", SafeText, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revision", Integer, nullable=False, server_default="1"),
    Column("labels", JSON, nullable=False, server_default="{}"),
    # The order of pages. In PostgreSQL, the migration gives it the collation "C", as the query has,
    # and look-ups of a username use the other index: an index serves one collation.
    Index(None, "username", "id"),
)

principals = Table(
    "principals",
    metadata,
    Column("id", SafeText, primary_key=True),
    _of_user(),
    Column("provider", SafeText, nullable=False),
    Column("name", SafeText, nullable=False),
    # The next sign-in brings another.
    Column("secret", Sealed, info={REPLACED: True}),
    Column("last_seen_at", UtcDateTime),
    Column("refreshed_at", UtcDateTime),
    Column("disabled_reason", SafeText),
    # Consecutive failed refreshes, and the time before which no other refresh is made.
    Column("refresh_failures", Integer, nullable=False, server_default="0"),
    Column("refresh_after", UtcDateTime),
    # When the provider reported that the grant for refreshes has ended.
    Column("grant_ended_at", UtcDateTime),
    Index(None, "user_id"),
    Index(None, "provider", "refreshed_at"),
)

memberships = Table(
    "memberships",
    metadata,
    _of_user(primary_key=True),
    Column("provider", SafeText, primary_key=True),
    Column("id", SafeText, primary_key=True),
    Column("name", SafeText, nullable=False),
    Index(None, "id"),
)

passwords = Table(
    "passwords",
    metadata,
    _of_user(primary_key=True),
    # As entered. Compared by the folded form, so that Alice and alice are equal.
    Column("username", SafeText, nullable=False),
    Column("folded", SafeText, nullable=False, unique=True),
    Column("hash", SafeText, nullable=False),
    Column("must_change", Boolean, nullable=False),
    # When a password that an administrator chose expires; NULL: never.
    Column("expires_at", UtcDateTime),
)

tokens = Table(
    "tokens",
    metadata,
    Column("name", SafeText, primary_key=True),
    Column("kind", SafeText, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    _of_user(),
    Column("principal_id", SafeText, nullable=False),
    Column("description", SafeText, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, index=True),
    Column("last_used_at", UtcDateTime),
    Column("clusters", JSON, nullable=False),
    Column("projects", JSON, nullable=False, server_default="[]"),
    Column("read_only", Boolean, nullable=False),
    Column("proxy_read", Boolean, nullable=False, server_default=false()),
    Column("signed_in_at", UtcDateTime),
    # The token that created it, and the first session of its sign-in.
    # No foreign keys: a session may end before the tokens that it created.
    Column("parent", SafeText),
    Column("sign_in", SafeText),
    # The token only permits changing the user's password.
    Column("confined", Boolean, nullable=False, server_default=false()),
    Index(None, "user_id"),
    Index(None, "principal_id"),
)

clusters = Table(
    "clusters",
    metadata,
    Column("id", SafeText, primary_key=True),
    Column("name", SafeText, nullable=False, unique=True),
    Column("servers", JSON, nullable=False),
    Column("ca_pem", SafeText),
    Column("tls_server_name", SafeText),
    Column("impersonator_token", Sealed, nullable=False),
    Column("controller_token", Sealed),
    Column("credential_source", SafeText, nullable=False),
    Column("tokens_expire_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("username_mapping", SafeText, nullable=False),
    Column("impersonator", SafeText, nullable=False, server_default="shared"),
    Column("removing_since", UtcDateTime),
    Column("revision", Integer, nullable=False, server_default="1"),
    Column("uid", SafeText, unique=True, index=True),
    Column("trusted_addresses", JSON),
    Column("labels", JSON, nullable=False, server_default="{}"),
    Column("reach", SafeText, nullable=False, server_default="direct"),
    # Since a restore that was not accepted yet.
    Column("held_since", UtcDateTime),
)


def _in_cluster(*, primary_key: bool = False, nullable: bool = False) -> Column[str]:
    return Column(
        "cluster_id",
        SafeText,
        ForeignKey("clusters.id", ondelete="CASCADE"),
        primary_key=primary_key,
        nullable=nullable,
    )


roles = Table(
    "roles",
    metadata,
    Column("id", SafeText, primary_key=True),
    Column("scope", SafeText, nullable=False),
    Column("name", SafeText, nullable=False),
    Column("description", SafeText, nullable=False),
    Column("permissions", JSON, nullable=False),
    Column("rules", JSON, nullable=False),
    Column("cluster_roles", JSON, nullable=False),
    Column("inherits", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("labels", JSON, nullable=False, server_default="{}"),
    UniqueConstraint("scope", "name"),
)
"""Custom roles. Built-in roles are in the code."""

projects = Table(
    "projects",
    metadata,
    Column("id", SafeText, primary_key=True),
    _in_cluster(),
    Column("name", SafeText, nullable=False),
    Column("description", SafeText, nullable=False),
    Column("quota", JSON, nullable=False),
    Column("namespace_quota", JSON, nullable=False),
    Column("container_limits", JSON, nullable=False),
    Column("isolated", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("labels", JSON, nullable=False, server_default="{}"),
    UniqueConstraint("cluster_id", "name"),
)

project_namespaces = Table(
    "project_namespaces",
    metadata,
    _in_cluster(primary_key=True),
    Column("namespace", SafeText, primary_key=True),
    Column("uid", SafeText, nullable=False),
    Column("project_id", SafeText, ForeignKey("projects.id", ondelete="CASCADE"), index=True),
    # The namespace's label when cluster and store last agreed.
    Column("agreed", SafeText),
    Column("quota", JSON, nullable=False),
    # When it joined its project; NULL: before that was recorded.
    Column("joined_at", UtcDateTime),
)

# Namespaces that were in a project when they were deleted, in case one is restored.
former_namespaces = Table(
    "former_namespaces",
    metadata,
    _in_cluster(primary_key=True),
    Column("namespace", SafeText, primary_key=True),
    Column(
        "project_id",
        SafeText,
        ForeignKey("projects.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("quota", JSON, nullable=False),
    Column("gone_at", UtcDateTime, nullable=False),
)

bindings = Table(
    "bindings",
    metadata,
    Column("id", SafeText, primary_key=True),
    # No foreign key: most roles are built in.
    Column("role_id", SafeText, nullable=False, index=True),
    Column("user_id", SafeText, ForeignKey("users.id", ondelete="CASCADE"), index=True),
    Column("group_id", SafeText, index=True),
    Column("name", SafeText, nullable=False),
    _in_cluster(nullable=True),
    Column("project_id", SafeText, ForeignKey("projects.id", ondelete="CASCADE")),
    # The subject and the target as non-null columns, because NULLs are never equal.
    Column("subject", SafeText, nullable=False),
    Column("target", SafeText, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("labels", JSON, nullable=False, server_default="{}"),
    UniqueConstraint("target", "subject", "role_id"),
    Index(None, "cluster_id"),
    Index(None, "project_id"),
)

cluster_status = Table(
    "cluster_status",
    metadata,
    _in_cluster(primary_key=True),
    Column("data", JSON, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

cluster_reports = Table(
    "cluster_reports",
    metadata,
    _in_cluster(primary_key=True),
    Column("kind", SafeText, primary_key=True),
    Column("data", JSON, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

nodes = Table(
    "nodes",
    metadata,
    _in_cluster(primary_key=True),
    Column("uid", SafeText, primary_key=True),
    Column("name", SafeText, nullable=False),
    Column("data", JSON, nullable=False),
    Column("appeared_at", UtcDateTime, nullable=False),
    Column("left_at", UtcDateTime),
    Index(None, "left_at"),
)

agent_tokens = Table(
    "agent_tokens",
    metadata,
    Column("id", SafeText, primary_key=True),
    _in_cluster(),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_used_at", UtcDateTime),
    Index(None, "cluster_id"),
)

replicas = Table(
    "replicas",
    metadata,
    Column("id", SafeText, primary_key=True),
    Column("machine", SafeText, nullable=False),
    Column("socket", SafeText, nullable=False),
    Column("address", SafeText),
    Column("certificate_pem", SafeText),
    Column("expires_at", UtcDateTime, nullable=False),
)
"""The processes that hold tunnels. Expired rows count no longer."""

tunnels = Table(
    "tunnels",
    metadata,
    Column("id", SafeText, primary_key=True),
    _in_cluster(),
    Column("replica_id", SafeText, ForeignKey("replicas.id", ondelete="CASCADE"), nullable=False),
    Column("pod", SafeText, nullable=False),
    Column("node", SafeText, nullable=False),
    Column("version", SafeText, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("trust", SafeText, nullable=False, server_default="unverified"),
    Column("reason", SafeText, nullable=False, server_default=""),
    Index(None, "cluster_id"),
    Index(None, "replica_id"),
)

management_clusters = Table(
    "management_clusters",
    metadata,
    _in_cluster(primary_key=True),
    Column("namespace", SafeText, nullable=False),
    Column("classes", JSON, nullable=False),
    Column("limits", JSON, nullable=False),
    Column("token", Sealed, nullable=False),
    Column("token_expires_at", UtcDateTime, nullable=False),
    Column("revision", Integer, nullable=False),
)

orders = Table(
    "orders",
    metadata,
    # The id of the cluster's record, which the import makes: no foreign key.
    Column("id", SafeText, primary_key=True),
    Column("name", SafeText, nullable=False, unique=True),
    Column(
        "management_id",
        SafeText,
        ForeignKey("management_clusters.cluster_id", ondelete="RESTRICT"),
        nullable=False,
    ),
    Column("engine_name", SafeText, nullable=False),
    Column("engine_uid", SafeText),
    Column("adopted", Boolean, nullable=False),
    # Both are in "wanted" as well: limits count them.
    Column("class_name", SafeText, nullable=False),
    Column("workers", Integer, nullable=False),
    Column("wanted", JSON, nullable=False),
    # JSON, encrypted: only the class's author knows which of them are secret.
    Column("variables", Sealed, nullable=False),
    # No foreign key: the cluster outlives its orderer.
    Column("owner_id", SafeText, nullable=False, index=True),
    Column("user_name", SafeText, nullable=False),
    Column("state", SafeText, nullable=False),
    Column("state_since", UtcDateTime, nullable=False),
    Column("message", SafeText, nullable=False),
    Column("slow", Boolean, nullable=False),
    Column("conditions", JSON, nullable=False),
    Column("ready_machines", Integer, nullable=False),
    Column("machines", Integer, nullable=False),
    Column("engine_away_since", UtcDateTime),
    Column("imported_at", UtcDateTime),
    Column("deleting_since", UtcDateTime),
    Column("release", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revision", Integer, nullable=False),
    UniqueConstraint("management_id", "engine_name"),
)

leases = Table(
    "leases",
    metadata,
    Column("name", SafeText, primary_key=True),
    Column("holder", SafeText, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)

answers = Table(
    "answers",
    metadata,
    Column("key", LargeBinary(32), primary_key=True),
    Column("request", LargeBinary(32), nullable=False),
    Column("status", Integer),
    # Deleted after a day.
    Column("body", Sealed, info={REPLACED: True}),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)
"""Responses to requests with an idempotency key, encrypted; status NULL: in progress."""

providers = Table(
    "providers",
    metadata,
    Column("name", SafeText, primary_key=True),
    Column("type", SafeText, nullable=False),
    Column("enabled", Boolean, nullable=False),
    # All settings, encrypted: only the provider type knows which of them are secret.
    Column("settings", Sealed, nullable=False),
    Column("access_mode", SafeText, nullable=False),
    Column("allowed_principals", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

provider_claims = Table(
    "provider_claims",
    metadata,
    # No foreign key: a claim outlives its provider, and most providers are configured in a file.
    Column("provider", SafeText, primary_key=True),
    # JSON: the identity of the issuer or directory. NULL: not known yet.
    Column("backend", SafeText),
)

provider_schemes = Table(
    "provider_schemes",
    metadata,
    Column("scheme", SafeText, primary_key=True),
    Column(
        "provider",
        SafeText,
        ForeignKey("provider_claims.provider", ondelete="CASCADE"),
        nullable=False,
    ),
    # The name that the provider's type declares.
    Column("declared", SafeText, nullable=False),
    UniqueConstraint("provider", "declared"),
)
"""The owner of each scheme."""

spent = Table(
    "spent",
    metadata,
    Column("value", LargeBinary(32), primary_key=True),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)
"""Digests of one-time values that have been used."""

device_polls = Table(
    "device_polls",
    metadata,
    Column("value", LargeBinary(32), primary_key=True),
    Column("next_at", UtcDateTime, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)
"""Digests of device sign-ins, with the time of the next poll and the interval."""

schema_support = Table(
    "schema_support",
    metadata,
    Column("oldest_code", SafeText, primary_key=True),
)
"""One row: the oldest version that works with the schema (store/schema.py)."""

secrets = Table(
    "secrets",
    metadata,
    Column("name", SafeText, primary_key=True),
    Column("value", Sealed, nullable=False),
)
"""Encrypted values that belong to no other table, and the keyring's check value."""
