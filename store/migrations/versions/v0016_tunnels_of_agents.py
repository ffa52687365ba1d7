"""Store how a cluster is reached, agents' tokens, and who has which tunnel."""

import sqlalchemy as sa
from alembic import op

from store.tables import SafeText, UtcDateTime

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column(
        "clusters", sa.Column("reach", SafeText(), nullable=False, server_default="direct")
    )
    op.create_table(
        "agent_tokens",
        sa.Column("id", SafeText(), nullable=False),
        _in_cluster("agent_tokens"),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("last_used_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent_tokens")),
        sa.UniqueConstraint("digest", name=op.f("uq_agent_tokens_digest")),
    )
    op.create_index(op.f("ix_agent_tokens_cluster_id"), "agent_tokens", ["cluster_id"])
    op.create_table(
        "replicas",
        sa.Column("id", SafeText(), nullable=False),
        sa.Column("machine", SafeText(), nullable=False),
        sa.Column("socket", SafeText(), nullable=False),
        sa.Column("address", SafeText()),
        sa.Column("certificate_pem", SafeText()),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replicas")),
    )
    op.create_table(
        "tunnels",
        sa.Column("id", SafeText(), nullable=False),
        _in_cluster("tunnels"),
        sa.Column(
            "replica_id",
            SafeText(),
            sa.ForeignKey("replicas.id", name=op.f("fk_tunnels_replica_id"), ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("pod", SafeText(), nullable=False),
        sa.Column("node", SafeText(), nullable=False),
        sa.Column("version", SafeText(), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tunnels")),
    )
    for column in ("cluster_id", "replica_id"):
        op.create_index(op.f(f"ix_tunnels_{column}"), "tunnels", [column])


def _in_cluster(table: str) -> sa.Column[str]:
    name = op.f(f"fk_{table}_cluster_id")
    return sa.Column(
        "cluster_id",
        SafeText(),
        sa.ForeignKey("clusters.id", name=name, ondelete="CASCADE"),
        nullable=False,
    )
