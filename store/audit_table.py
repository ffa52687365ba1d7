"""The table of the searchable audit log.

It has its own metadata: in PostgreSQL the table is in Sekisho's database, but with SQLite it is in
a file of its own (see :mod:`store.audit_database`).
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, Table

from store.tables import NAMING, SafeText, UtcDateTime

audit_metadata = MetaData(naming_convention=NAMING)

_TEXTS = (
    *("request_id", "stage", "verb", "outcome", "answered_by"),
    *("user_id", "username", "principal_id", "token", "impersonated"),
    *("cluster_id", "cluster", "project_id", "namespace"),
    *("api_group", "resource", "subresource", "name", "path"),
    *("reason", "source", "user_agent", "details"),
)

audit_events = Table(
    "audit_events",
    audit_metadata,
    # SQLite counts in a column of this type only.
    Column("seq", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("code", Integer, nullable=False),
    Column("sign_in", Boolean, nullable=False),
    *(Column(name, SafeText, nullable=False) for name in _TEXTS),
    Index(None, "at", "seq"),
    Index(None, "user_id", "at", "seq"),
    Index(None, "cluster_id", "at", "seq"),
    Index(None, "project_id", "at", "seq"),
    Index(None, "request_id"),
    # A number must not be used again after its event was deleted.
    sqlite_autoincrement=True,
)
