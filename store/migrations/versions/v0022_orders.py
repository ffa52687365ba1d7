"""Store management clusters, and the orders of clusters in them."""

import sqlalchemy as sa
from alembic import op

from store.tables import SafeText, Sealed, UtcDateTime

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.create_table(
        "management_clusters",
        sa.Column("cluster_id", SafeText(), nullable=False),
        sa.Column("namespace", SafeText(), nullable=False),
        sa.Column("classes", sa.JSON(), nullable=False),
        sa.Column("limits", sa.JSON(), nullable=False),
        sa.Column("token", Sealed(), nullable=False),
        sa.Column("token_expires_at", UtcDateTime(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("cluster_id", name=op.f("pk_management_clusters")),
        sa.ForeignKeyConstraint(
            ["cluster_id"],
            ["clusters.id"],
            name=op.f("fk_management_clusters_cluster_id"),
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "orders",
        sa.Column("id", SafeText(), nullable=False),
        sa.Column("name", SafeText(), nullable=False),
        sa.Column("management_id", SafeText(), nullable=False),
        sa.Column("engine_name", SafeText(), nullable=False),
        sa.Column("engine_uid", SafeText()),
        sa.Column("adopted", sa.Boolean(), nullable=False),
        sa.Column("class_name", SafeText(), nullable=False),
        sa.Column("workers", sa.Integer(), nullable=False),
        sa.Column("wanted", sa.JSON(), nullable=False),
        sa.Column("variables", Sealed(), nullable=False),
        sa.Column("owner_id", SafeText(), nullable=False),
        sa.Column("user_name", SafeText(), nullable=False),
        sa.Column("state", SafeText(), nullable=False),
        sa.Column("state_since", UtcDateTime(), nullable=False),
        sa.Column("message", SafeText(), nullable=False),
        sa.Column("slow", sa.Boolean(), nullable=False),
        sa.Column("conditions", sa.JSON(), nullable=False),
        sa.Column("ready_machines", sa.Integer(), nullable=False),
        sa.Column("machines", sa.Integer(), nullable=False),
        sa.Column("engine_away_since", UtcDateTime()),
        sa.Column("imported_at", UtcDateTime()),
        sa.Column("deleting_since", UtcDateTime()),
        sa.Column("release", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sa.ForeignKeyConstraint(
            ["management_id"],
            ["management_clusters.cluster_id"],
            name=op.f("fk_orders_management_id"),
            ondelete="RESTRICT",
        ),
        sa.UniqueConstraint("name", name=op.f("uq_orders_name")),
        sa.UniqueConstraint(
            "management_id", "engine_name", name=op.f("uq_orders_management_id_engine_name")
        ),
    )
    op.create_index(op.f("ix_orders_owner_id"), "orders", ["owner_id"])
