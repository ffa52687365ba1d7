"""Bearer tokens, in SQL: digests only."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import bindparam, delete, insert, or_, select, update

from store.bindings import held_by
from store.connections import Connections
from store.interfaces import Change, Holdings, Token
from store.projects import select_namespaces
from store.roles import every_role
from store.tables import project_namespaces, storable, tokens
from store.worth import Worth, token_of, worth_of

_LISTS = ("clusters", "projects")
_TOUCHED_AT_ONCE = 500


class SqlTokens:
    """A :class:`store.interfaces.Tokens`."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def create(self, token: Token) -> None:
        """Store a new token. Raises Conflict, and NotFound where there is no such user."""
        values = asdict(token) | {key: list(getattr(token, key)) for key in _LISTS}
        async with self._connections.write() as connection:
            await connection.execute(insert(tokens).values(**values))

    async def get(self, name: str) -> Token | None:
        """The token with that name."""
        if not storable(name):
            return None
        async with self._connections.read() as connection:
            wanted = select(tokens).where(tokens.c.name == name)
            row = (await connection.execute(wanted)).one_or_none()
        return None if row is None else token_of(dict(row._mapping))

    async def resolve(self, name: str) -> Worth | None:
        """The token and everything that decides what it is worth, by one query."""
        if not storable(name):
            return None
        async with self._connections.read() as connection:
            return await worth_of(connection, name)

    async def holdings(
        self, user_id: str, groups: Sequence[str], projects: Sequence[str] = ()
    ) -> Holdings:
        """What decides where a user in ``groups`` may go, whose token isn't stored."""
        async with self._connections.read() as connection:
            held = await held_by(connection, user_id, groups)
            roles = await every_role(connection) if held else []
            if not projects:
                return Holdings(held, roles)
            inside = project_namespaces.c.project_id.in_(projects)
            return Holdings(held, roles, await select_namespaces(connection, inside))

    async def list_for(self, user_id: str) -> Sequence[Token]:
        """A user's tokens, newest first."""
        async with self._connections.read() as connection:
            wanted = (
                select(tokens)
                .where(tokens.c.user_id == user_id)
                .order_by(tokens.c.created_at.desc(), tokens.c.name)
            )
            return [token_of(dict(row._mapping)) for row in await connection.execute(wanted)]

    async def revoke(self, name: str) -> bool:
        """Delete the token. False where there is none."""
        if not storable(name):
            return False
        async with self._connections.write(Change("token", name)) as connection:
            result = await connection.execute(delete(tokens).where(tokens.c.name == name))
            return bool(result.rowcount)

    async def shorten(self, name: str, expires_at: datetime) -> bool:
        """Let the token end then, if it would end later."""
        if not storable(name):
            return False
        later = or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > expires_at)
        async with self._connections.write(Change("token", name)) as connection:
            result = await connection.execute(
                update(tokens).where(tokens.c.name == name, later).values(expires_at=expires_at)
            )
            return bool(result.rowcount)

    async def touch(self, last_used: Sequence[tuple[str, datetime]]) -> None:
        """Record last uses. Doesn't announce a change.

        In order of names, so that replicas that write the same tokens don't wait in a circle; and
        some at a time, for others want to write, too, and to hear of changes.
        """
        statement = (
            update(tokens)
            .where(tokens.c.name == bindparam("token_name"))
            .values(last_used_at=bindparam("used_at"))
        )
        ordered = [{"token_name": name, "used_at": at} for name, at in sorted(last_used)]
        for start in range(0, len(ordered), _TOUCHED_AT_ONCE):
            async with self._connections.write() as connection:
                await connection.execute(statement, ordered[start : start + _TOUCHED_AT_ONCE])

    async def delete_ended(self, before: datetime) -> int:
        """Delete tokens that ended before then; how many there were."""
        async with self._connections.write() as connection:
            result = await connection.execute(delete(tokens).where(tokens.c.expires_at < before))
            return int(result.rowcount)
