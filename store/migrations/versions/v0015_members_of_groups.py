"""Index memberships by group, to list the members of groups."""

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_index(op.f("ix_memberships_id"), "memberships", ["id"])
