"""When each device sign-in may be asked about again."""

import sqlalchemy as sa
from alembic import op

from store.tables import UtcDateTime

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "device_polls",
        sa.Column("value", sa.LargeBinary(32), nullable=False),
        sa.Column("next_at", UtcDateTime(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("value", name=op.f("pk_device_polls")),
    )
    op.create_index(op.f("ix_device_polls_expires_at"), "device_polls", ["expires_at"])
