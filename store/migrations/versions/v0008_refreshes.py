"""Refreshes that failed, principal by principal, and grants that have ended."""

import sqlalchemy as sa
from alembic import op

from store.tables import UtcDateTime

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column(
        "principals",
        sa.Column("refresh_failures", sa.Integer(), nullable=False, server_default="0"),
    )
    op.add_column("principals", sa.Column("refresh_after", UtcDateTime(), nullable=True))
    op.add_column("principals", sa.Column("grant_ended_at", UtcDateTime(), nullable=True))
