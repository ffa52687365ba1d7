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
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.types import TypeDecorator


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
        String(64),
        ForeignKey("users.id", ondelete="CASCADE"),
        primary_key=primary_key,
        nullable=False,
    )


users = Table(
    "users",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("username", String(256), nullable=False, index=True),
    Column("display_name", String(256), nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("administrator", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

principals = Table(
    "principals",
    metadata,
    Column("id", String(512), primary_key=True),
    _of_user(),
    Column("provider", String(64), nullable=False),
    Column("name", String(256), nullable=False),
    Index(None, "user_id"),
)

memberships = Table(
    "memberships",
    metadata,
    _of_user(primary_key=True),
    Column("provider", String(64), primary_key=True),
    Column("id", String(512), primary_key=True),
    Column("name", String(256), nullable=False),
)

passwords = Table(
    "passwords",
    metadata,
    _of_user(primary_key=True),
    # As people type it; compared by the folded form, so that Alice and alice are one.
    Column("username", String(256), nullable=False),
    Column("folded", String(256), nullable=False, unique=True),
    Column("hash", Text, nullable=False),
    Column("must_change", Boolean, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    _of_user(),
    Column("principal_id", String(512), nullable=False),
    Column("description", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, index=True),
    Column("last_used_at", UtcDateTime),
    Column("clusters", JSON, nullable=False),
    Column("read_only", Boolean, nullable=False),
    Index(None, "user_id"),
)

clusters = Table(
    "clusters",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(128), nullable=False, unique=True),
    Column("servers", JSON, nullable=False),
    Column("ca_pem", Text),
    Column("tls_server_name", String(256)),
    Column("impersonator_token", LargeBinary, nullable=False),
    Column("controller_token", LargeBinary),
    Column("credential_source", String(32), nullable=False),
    Column("tokens_expire_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("user_name", String(16), nullable=False),
)

grants = Table(
    "grants",
    metadata,
    Column(
        "cluster_id",
        String(64),
        ForeignKey("clusters.id", ondelete="CASCADE"),
        primary_key=True,
        nullable=False,
    ),
    _of_user(primary_key=True),
    Column("role", String(16), nullable=False),
    Index(None, "user_id"),
)

secrets = Table(
    "secrets",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
"""Encrypted values that belong to no row of another table, and the keyring's check value."""
