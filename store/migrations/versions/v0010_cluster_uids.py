"""By which uid a cluster is known, and which addresses an operator trusts for it."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("clusters", sa.Column("uid", sa.Text(), nullable=True))
    op.add_column("clusters", sa.Column("trusted_addresses", sa.JSON(), nullable=True))
    op.create_index(op.f("ix_clusters_uid"), "clusters", ["uid"], unique=True)
