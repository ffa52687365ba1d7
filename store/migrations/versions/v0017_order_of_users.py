"""Index users in the order of their pages, in the collation of the query."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    binary = ' COLLATE "C"' if op.get_bind().dialect.name == "postgresql" else ""
    columns = [sa.text(f"{one}{binary}") for one in ("username", "id")]
    op.create_index(op.f("ix_users_username_id"), "users", columns)
