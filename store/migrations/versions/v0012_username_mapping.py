"""Rename the columns of a cluster's user names and impersonating accounts."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.alter_column("clusters", "user_name", new_column_name="username_mapping")
    op.alter_column("clusters", "isolation", new_column_name="impersonator")
