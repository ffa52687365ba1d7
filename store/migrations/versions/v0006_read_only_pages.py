"""Tokens that read only, and may see what services and pods serve."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column(
        "tokens",
        sa.Column("proxy_read", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
