"""The searchable audit log. With SQLite it is in a file of its own (store/audit_database.py)."""

import sqlalchemy as sa
from alembic import op

from store.tables import SafeText, UtcDateTime

revision = "0014"
down_revision = "0013"

_TEXTS = (
    *("request_id", "stage", "verb", "outcome", "answered_by"),
    *("user_id", "username", "principal_id", "token", "impersonated"),
    *("cluster_id", "cluster", "project_id", "namespace"),
    *("api_group", "resource", "subresource", "name", "path"),
    *("reason", "source", "user_agent", "details"),
)


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    op.create_table(
        "audit_events",
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("code", sa.Integer(), nullable=False),
        sa.Column("sign_in", sa.Boolean(), nullable=False),
        *(sa.Column(name, SafeText(), nullable=False) for name in _TEXTS),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_events")),
    )
    for columns in (
        ("at", "seq"),
        ("user_id", "at", "seq"),
        ("cluster_id", "at", "seq"),
        ("project_id", "at", "seq"),
        ("request_id",),
    ):
        op.create_index(op.f(f"ix_audit_events_{'_'.join(columns)}"), "audit_events", columns)
