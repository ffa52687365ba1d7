"""Which provider owns which principals.

Until now two providers of one type shared their schemes. The provider that has had people of a
scheme the longest keeps it; principals and groups of the others get names of their own. Bindings
stay with the owner: what an operator meant by an id that two directories could hand out is not
known, so the other directory's people hold nothing by it.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from store.claim_records import LOCAL, scheme_names
from store.tables import SafeText

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "provider_claims",
        sa.Column("provider", SafeText(), nullable=False),
        sa.Column("backend", SafeText(), nullable=True),
        sa.PrimaryKeyConstraint("provider", name=op.f("pk_provider_claims")),
    )
    op.create_table(
        "provider_schemes",
        sa.Column("scheme", SafeText(), nullable=False),
        sa.Column("provider", SafeText(), nullable=False),
        sa.Column("declared", SafeText(), nullable=False),
        sa.ForeignKeyConstraint(
            ["provider"],
            ["provider_claims.provider"],
            name=op.f("fk_provider_schemes_provider"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("scheme", name=op.f("pk_provider_schemes")),
        sa.UniqueConstraint(
            "provider", "declared", name=op.f("uq_provider_schemes_provider_declared")
        ),
    )
    _claim(op.get_bind())


_SEEN = sa.text(
    "SELECT principals.id AS id, principals.provider AS provider, users.created_at AS since "
    "FROM principals JOIN users ON users.id = principals.user_id "
    "UNION SELECT memberships.id, memberships.provider, users.created_at "
    "FROM memberships JOIN users ON users.id = memberships.user_id"
)


def _claim(connection: sa.Connection) -> None:
    """Give each scheme to the provider that has had people of it the longest."""
    first: dict[tuple[str, str], Any] = {}
    for row in connection.execute(_SEEN):
        key = row.id.partition("://")[0], row.provider
        if key[0] != LOCAL:
            first[key] = min(first.get(key, row.since), row.since)
    providers = sorted({provider for _, provider in first})
    for provider in providers:
        connection.execute(
            sa.text("INSERT INTO provider_claims (provider) VALUES (:provider)"),
            {"provider": provider},
        )
    taken: set[str] = set()
    for declared, provider in sorted(first, key=lambda one: (str(first[one]), one)):
        scheme = next(one for one in scheme_names(declared, provider) if one not in taken)
        taken.add(scheme)
        connection.execute(
            sa.text(
                "INSERT INTO provider_schemes (scheme, provider, declared) "
                "VALUES (:scheme, :provider, :declared)"
            ),
            {"scheme": scheme, "provider": provider, "declared": declared},
        )
        if scheme != declared:
            _rename(connection, provider, declared, scheme)


def _rename(connection: sa.Connection, provider: str, declared: str, scheme: str) -> None:
    """Rename the principals and groups that ``provider`` has under another's scheme.

    A principal's secret is bound to its id and can't be kept; the next sign-in brings another.
    """
    values = {"provider": provider, "old": f"{declared}://", "new": f"{scheme}://"}
    connection.execute(
        sa.text(
            "UPDATE tokens SET principal_id = :new || substr(principal_id, length(:old) + 1) "
            "WHERE substr(principal_id, 1, length(:old)) = :old AND principal_id IN "
            "(SELECT id FROM principals WHERE provider = :provider)"
        ),
        values,
    )
    for table, more in (("principals", ", secret = NULL"), ("memberships", "")):
        connection.execute(
            sa.text(
                f"UPDATE {table} SET id = :new || substr(id, length(:old) + 1){more} "  # noqa: S608
                "WHERE provider = :provider AND substr(id, 1, length(:old)) = :old"
            ),
            values,
        )
