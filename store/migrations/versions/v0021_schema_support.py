"""Store the oldest version that works with the schema."""

import sqlalchemy as sa
from alembic import op

from store.tables import SafeText

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.create_table(
        "schema_support",
        sa.Column("oldest_code", SafeText(), nullable=False),
        sa.PrimaryKeyConstraint("oldest_code", name=op.f("pk_schema_support")),
    )
