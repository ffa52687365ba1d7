"""What a token was made with, confined sessions, passwords that end, one form for names.

Passwords that must be changed end a day after the migration: when they were set isn't known. Local
sign-in names are stored in NFC, and compared as :func:`config.composed.folded_name` has them. A
name that is another one's in that form keeps its old form, so its user needs a new name.
"""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

from config.composed import MOST_CHARACTERS, composed, folded_name
from store.tables import SafeText, UtcDateTime

revision = "0011"
down_revision = "0010"

_GIVEN_PASSWORD_LIVES = timedelta(hours=24)


def upgrade() -> None:
    op.add_column("tokens", sa.Column("parent", SafeText(), nullable=True))
    op.add_column("tokens", sa.Column("sign_in", SafeText(), nullable=True))
    op.add_column(
        "tokens", sa.Column("confined", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("passwords", sa.Column("expires_at", UtcDateTime(), nullable=True))
    connection = op.get_bind()
    tokens = sa.table("tokens", *map(sa.column, ("name", "kind", "sign_in")))
    connection.execute(
        sa.update(tokens).where(tokens.c.kind == "session").values(sign_in=tokens.c.name)
    )
    _end_given_passwords(connection)
    _compose_names(connection)


def _end_given_passwords(connection: sa.Connection) -> None:
    passwords = sa.table(
        "passwords",
        sa.column("must_change", sa.Boolean()),
        sa.column("expires_at", UtcDateTime()),
    )
    ends = datetime.now(UTC) + _GIVEN_PASSWORD_LIVES
    connection.execute(sa.update(passwords).where(passwords.c.must_change).values(expires_at=ends))


def _compose_names(connection: sa.Connection) -> None:
    passwords = sa.table("passwords", *map(sa.column, ("user_id", "username", "folded")))
    users = sa.table("users", *map(sa.column, ("id", "username")))
    principals = sa.table("principals", *map(sa.column, ("id", "user_id", "provider", "name")))
    rows = connection.execute(sa.select(passwords).order_by(passwords.c.user_id)).all()
    taken = {row.folded for row in rows}
    for row in rows:
        if len(row.username) > MOST_CHARACTERS:
            continue
        name, form = composed(row.username), folded_name(row.username)
        if name == row.username and form == row.folded:
            continue
        if form != row.folded and form in taken:
            form = row.folded
        taken.add(form)
        mine = passwords.c.user_id == row.user_id
        connection.execute(sa.update(passwords).where(mine).values(username=name, folded=form))
        local = (principals.c.user_id == row.user_id) & (principals.c.provider == "local")
        connection.execute(sa.update(principals).where(local).values(name=name))
        called = (users.c.id == row.user_id) & (users.c.username == row.username)
        connection.execute(sa.update(users).where(called).values(username=name))
