"""Labels of users, clusters, roles, projects and bindings."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

_LABELLED = ("users", "clusters", "roles", "projects", "bindings")


def upgrade() -> None:
    for table in _LABELLED:
        op.add_column(table, sa.Column("labels", sa.JSON(), nullable=False, server_default="{}"))
