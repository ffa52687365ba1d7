"""Store whether a tunnel leads to the cluster whose token its agent has."""

import sqlalchemy as sa
from alembic import op

from store.tables import SafeText

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    # Replicas of the version before do not verify their tunnels.
    for name, default in (("trust", "unverified"), ("reason", "")):
        op.add_column(
            "tunnels", sa.Column(name, SafeText(), nullable=False, server_default=default)
        )
