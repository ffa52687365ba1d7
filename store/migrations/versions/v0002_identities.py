"""What is known of identities at their providers, and providers that are kept in the store."""

import sqlalchemy as sa
from alembic import op

from store.tables import UtcDateTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("principals", sa.Column("secret", sa.LargeBinary(), nullable=True))
    op.add_column("principals", sa.Column("last_seen_at", UtcDateTime(), nullable=True))
    op.add_column("principals", sa.Column("refreshed_at", UtcDateTime(), nullable=True))
    op.add_column("principals", sa.Column("disabled_reason", sa.Text(), nullable=True))
    op.create_index(
        op.f("ix_principals_provider_refreshed_at"),
        "principals",
        ["provider", "refreshed_at"],
        unique=False,
    )
    op.create_index(op.f("ix_tokens_principal_id"), "tokens", ["principal_id"], unique=False)
    op.create_table(
        "providers",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("settings", sa.LargeBinary(), nullable=False),
        sa.Column("access_mode", sa.Text(), nullable=False),
        sa.Column("allowed_principals", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_providers")),
    )
