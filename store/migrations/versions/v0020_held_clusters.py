"""Store since when the controllers hold back writes into a cluster, after a restore."""

import sqlalchemy as sa
from alembic import op

from store.tables import UtcDateTime

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.add_column("clusters", sa.Column("held_since", UtcDateTime(), nullable=True))
