"""When namespaces came into their projects, and where those were that have gone."""

import sqlalchemy as sa
from alembic import op

from store.tables import SafeText, UtcDateTime

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("project_namespaces", sa.Column("joined_at", UtcDateTime(), nullable=True))
    op.create_table(
        "former_namespaces",
        sa.Column("cluster_id", SafeText(), nullable=False),
        sa.Column("namespace", SafeText(), nullable=False),
        sa.Column("project_id", SafeText(), nullable=False),
        sa.Column("quota", sa.JSON(), nullable=False),
        sa.Column("gone_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["cluster_id"],
            ["clusters.id"],
            name=op.f("fk_former_namespaces_cluster_id_clusters"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name=op.f("fk_former_namespaces_project_id_projects"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("cluster_id", "namespace", name=op.f("pk_former_namespaces")),
    )
    op.create_index(op.f("ix_former_namespaces_project_id"), "former_namespaces", ["project_id"])
