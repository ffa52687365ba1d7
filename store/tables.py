"""The tables. A change here needs a migration beside it (``store/migrations/versions``)."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeDecorator


def storable(text: str) -> bool:
    """Whether both databases can hold ``text``: it has no NUL and no lone surrogate.

    Look-ups ask first, for names come from strangers: there is no such record, and the database
    hasn't failed.
    """
    return "\0" not in text and not any("\ud800" <= one <= "\udfff" for one in text)


class Words(TypeDecorator[str]):
    """Text that both databases give back as it was stored, of any length."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Raises ValueError for what isn't storable."""
        if value is not None and not storable(value):
            raise ValueError("text with NUL or half a character can't be stored")
        return value


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC datetimes, also from SQLite, which knows no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Only aware datetimes go in."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime can't be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Only aware datetimes come out."""
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
        Words,
        ForeignKey("users.id", ondelete="CASCADE"),
        primary_key=primary_key,
        nullable=False,
    )


users = Table(
    "users",
    metadata,
    Column("id", Words, primary_key=True),
    Column("username", Words, nullable=False, index=True),
    Column("display_name", Words, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revision", Integer, nullable=False, server_default="1"),
)

principals = Table(
    "principals",
    metadata,
    Column("id", Words, primary_key=True),
    _of_user(),
    Column("provider", Words, nullable=False),
    Column("name", Words, nullable=False),
    Column("secret", LargeBinary),
    Column("last_seen_at", UtcDateTime),
    Column("refreshed_at", UtcDateTime),
    Column("disabled_reason", Words),
    Index(None, "user_id"),
    Index(None, "provider", "refreshed_at"),
)

memberships = Table(
    "memberships",
    metadata,
    _of_user(primary_key=True),
    Column("provider", Words, primary_key=True),
    Column("id", Words, primary_key=True),
    Column("name", Words, nullable=False),
)

passwords = Table(
    "passwords",
    metadata,
    _of_user(primary_key=True),
    # As people type it; compared by the folded form, so that Alice and alice are one.
    Column("username", Words, nullable=False),
    Column("folded", Words, nullable=False, unique=True),
    Column("hash", Words, nullable=False),
    Column("must_change", Boolean, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("name", Words, primary_key=True),
    Column("kind", Words, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    _of_user(),
    Column("principal_id", Words, nullable=False),
    Column("description", Words, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, index=True),
    Column("last_used_at", UtcDateTime),
    Column("clusters", JSON, nullable=False),
    Column("projects", JSON, nullable=False, server_default="[]"),
    Column("read_only", Boolean, nullable=False),
    Column("signed_in_at", UtcDateTime),
    Index(None, "user_id"),
    Index(None, "principal_id"),
)

clusters = Table(
    "clusters",
    metadata,
    Column("id", Words, primary_key=True),
    Column("name", Words, nullable=False, unique=True),
    Column("servers", JSON, nullable=False),
    Column("ca_pem", Words),
    Column("tls_server_name", Words),
    Column("impersonator_token", LargeBinary, nullable=False),
    Column("controller_token", LargeBinary),
    Column("credential_source", Words, nullable=False),
    Column("tokens_expire_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("user_name", Words, nullable=False),
    Column("isolation", Words, nullable=False, server_default="shared"),
    Column("removing_since", UtcDateTime),
    Column("revision", Integer, nullable=False, server_default="1"),
)


def _in_cluster(*, primary_key: bool = False, nullable: bool = False) -> Column[str]:
    return Column(
        "cluster_id",
        Words,
        ForeignKey("clusters.id", ondelete="CASCADE"),
        primary_key=primary_key,
        nullable=nullable,
    )


roles = Table(
    "roles",
    metadata,
    Column("id", Words, primary_key=True),
    Column("scope", Words, nullable=False),
    Column("name", Words, nullable=False),
    Column("description", Words, nullable=False),
    Column("permissions", JSON, nullable=False),
    Column("rules", JSON, nullable=False),
    Column("cluster_roles", JSON, nullable=False),
    Column("inherits", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revision", Integer, nullable=False),
    UniqueConstraint("scope", "name"),
)
"""Roles that people made; those that are always there are in the code."""

projects = Table(
    "projects",
    metadata,
    Column("id", Words, primary_key=True),
    _in_cluster(),
    Column("name", Words, nullable=False),
    Column("description", Words, nullable=False),
    Column("quota", JSON, nullable=False),
    Column("namespace_quota", JSON, nullable=False),
    Column("container_limits", JSON, nullable=False),
    Column("isolated", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revision", Integer, nullable=False),
    UniqueConstraint("cluster_id", "name"),
)

project_namespaces = Table(
    "project_namespaces",
    metadata,
    _in_cluster(primary_key=True),
    Column("namespace", Words, primary_key=True),
    Column("uid", Words, nullable=False),
    Column("project_id", Words, ForeignKey("projects.id", ondelete="CASCADE"), index=True),
    # What the namespace's label said when both sides last agreed.
    Column("agreed", Words),
    Column("quota", JSON, nullable=False),
)

bindings = Table(
    "bindings",
    metadata,
    Column("id", Words, primary_key=True),
    # No foreign key: most roles are in the code.
    Column("role_id", Words, nullable=False, index=True),
    Column("user_id", Words, ForeignKey("users.id", ondelete="CASCADE"), index=True),
    Column("group_id", Words, index=True),
    Column("name", Words, nullable=False),
    _in_cluster(nullable=True),
    Column("project_id", Words, ForeignKey("projects.id", ondelete="CASCADE")),
    # The user or group, and what the role is held in, once more: NULLs are never equal.
    Column("subject", Words, nullable=False),
    Column("target", Words, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
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

nodes = Table(
    "nodes",
    metadata,
    _in_cluster(primary_key=True),
    Column("uid", Words, primary_key=True),
    Column("name", Words, nullable=False),
    Column("data", JSON, nullable=False),
    Column("appeared_at", UtcDateTime, nullable=False),
    Column("left_at", UtcDateTime),
    Index(None, "left_at"),
)

leases = Table(
    "leases",
    metadata,
    Column("name", Words, primary_key=True),
    Column("holder", Words, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)

answers = Table(
    "answers",
    metadata,
    Column("key", LargeBinary(32), primary_key=True),
    Column("request", LargeBinary(32), nullable=False),
    Column("status", Integer),
    Column("body", LargeBinary),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)
"""What requests with a key of the client's own were answered, encrypted; status NULL: not yet."""

providers = Table(
    "providers",
    metadata,
    Column("name", Words, primary_key=True),
    Column("type", Words, nullable=False),
    Column("enabled", Boolean, nullable=False),
    # The whole of the settings, encrypted: which of them are secret is the type's own knowledge.
    Column("settings", LargeBinary, nullable=False),
    Column("access_mode", Words, nullable=False),
    Column("allowed_principals", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

spent = Table(
    "spent",
    metadata,
    Column("value", LargeBinary(32), primary_key=True),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)
"""Digests of one-time values that have been used."""

secrets = Table(
    "secrets",
    metadata,
    Column("name", Words, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
"""Encrypted values that belong to no row of another table, and the keyring's check value."""
