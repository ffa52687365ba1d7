"""Store reports about clusters: events, usage, deprecated APIs in use."""

import sqlalchemy as sa
from alembic import op

from store.tables import SafeText, UtcDateTime

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    name = op.f("fk_cluster_reports_cluster_id")
    op.create_table(
        "cluster_reports",
        sa.Column(
            "cluster_id",
            SafeText(),
            sa.ForeignKey("clusters.id", name=name, ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("kind", SafeText(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("cluster_id", "kind", name=op.f("pk_cluster_reports")),
    )
