"""Bearer tokens, in SQL; only digests are stored."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    bindparam,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from store.connections import Database
from store.errors import ParentGone, RecordNotFound
from store.pieces import in_pieces
from store.projects import select_namespaces
from store.records import Change, ChangeKind, Check, Holdings, Token, TokenCounts
from store.roles import every_role
from store.standing import held_by, lock_checked, lock_user
from store.tables import is_storable, project_namespaces, tokens
from store.token_query import Worth, load_token_with_grants, token_of

_LISTS = ("clusters", "projects")
_TOUCHED_AT_ONCE = 500


class SqlTokens:
    """A :class:`store.identity_interfaces.Tokens`."""

    def __init__(self, connections: Database) -> None:
        self._connections = connections

    async def create(self, token: Token, *, at_most: int | None = None) -> None:
        """Store a new token. Raises Conflict, RecordNotFound and ParentGone."""
        values = asdict(token) | {key: list(getattr(token, key)) for key in _LISTS}
        kind: ChangeKind = "user" if at_most is not None else "token-created"
        announced = Change(kind, token.user_id)
        async with self._connections.write(announced) as connection:
            if token.parent is not None or at_most is not None:
                await lock_user(connection, token.user_id)
            if token.parent is not None:
                await _require_parent(connection, token)
            if at_most is not None:
                await _make_room(connection, token, at_most)
            await connection.execute(insert(tokens).values(**values))

    async def get(self, name: str) -> Token | None:
        """Return the token with that name."""
        if not is_storable(name):
            return None
        async with self._connections.read() as connection:
            wanted = select(tokens).where(tokens.c.name == name)
            row = (await connection.execute(wanted)).one_or_none()
        return None if row is None else token_of(dict(row._mapping))

    async def resolve(self, name: str) -> Worth | None:
        """Return the token and everything that decides about its permissions, in one query."""
        if not is_storable(name):
            return None
        async with self._connections.read() as connection:
            return await load_token_with_grants(connection, name)

    async def holdings(
        self, user_id: str, groups: Sequence[str], projects: Sequence[str] = ()
    ) -> Holdings:
        """Return the holdings of a user in ``groups`` with a token that is not stored."""
        async with self._connections.read() as connection:
            held = await held_by(connection, user_id, groups)
            roles = await every_role(connection) if held else []
            if not projects:
                return Holdings(held, roles)
            inside = project_namespaces.c.project_id.in_(projects)
            return Holdings(held, roles, await select_namespaces(connection, inside))

    async def list_for(self, user_id: str) -> Sequence[Token]:
        """Return a user's tokens, newest first."""
        async with self._connections.read() as connection:
            wanted = (
                select(tokens)
                .where(tokens.c.user_id == user_id)
                .order_by(tokens.c.created_at.desc(), tokens.c.name)
            )
            rows = await connection.execute(wanted)
            return [token_of(dict(row._mapping)) async for row in in_pieces(rows)]

    async def counts(
        self, now: datetime, used_since: datetime, user_id: str | None = None
    ) -> TokenCounts:
        """Return how many tokens of all users, or of one, have not ended."""
        valid = or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > now)
        used = func.sum(case((tokens.c.last_used_at >= used_since, 1), else_=0))
        wanted = select(tokens.c.kind, func.count(), used).where(valid).group_by(tokens.c.kind)
        async with self._connections.read() as connection:
            rows = (await connection.execute(_of_user(wanted, user_id))).all()
        numbers = {kind: int(number) for kind, number, _ in rows}
        return TokenCounts(
            sessions=numbers.get("session", 0),
            tokens=numbers.get("token", 0),
            kubeconfigs=numbers.get("kubeconfig", 0),
            used=sum(int(in_use) for _, _, in_use in rows),
        )

    async def ending(
        self, after: datetime, before: datetime, *, user_id: str | None = None, limit: int
    ) -> Sequence[Token]:
        """Return API tokens, without sessions, that end in that time, the first to end first."""
        wanted = (
            select(tokens)
            .where(tokens.c.kind != "session")
            .where(tokens.c.expires_at > after, tokens.c.expires_at <= before)
            .order_by(tokens.c.expires_at, tokens.c.name)
            .limit(limit)
        )
        async with self._connections.read() as connection:
            found = await connection.execute(_of_user(wanted, user_id))
            return [token_of(dict(row._mapping)) for row in found]

    async def revoke(self, name: str, *, check: Check | None = None) -> bool:
        """Delete the token and all tokens that it created. Return False if it does not exist."""
        token = await self.get(name)
        if token is None:
            return False
        gone = _of_sign_in(token) if token.kind == "session" else _descent(token)
        return await self._end(token.user_id, gone, Change("token", name), check=check) > 0

    async def sign_out(self, name: str) -> bool:
        """Delete the token, but keep the tokens that a session created."""
        token = await self.get(name)
        if token is None:
            return False
        gone = _descent(token)
        if token.kind == "session":
            gone = _of_sign_in(token) & (tokens.c.kind == "session")
        return await self._end(token.user_id, gone, Change("token", name)) > 0

    async def end_sessions(
        self, user_id: str, *, principal_id: str | None = None, keep: str | None = None
    ) -> int:
        """End a user's sessions, except ``keep``. Return the number."""
        gone = tokens.c.kind == "session"
        if principal_id is not None:
            gone &= tokens.c.principal_id == principal_id
        if keep is not None:
            gone &= tokens.c.name != keep
        return await self._end(user_id, gone)

    async def _end(
        self,
        user_id: str,
        gone: ColumnElement[bool],
        *announced: Change,
        check: Check | None = None,
    ) -> int:
        """Delete tokens of a user. A lock on the user prevents new tokens from them."""
        if not is_storable(user_id):
            return 0
        changes = (Change("user", user_id), *announced)
        async with self._connections.write(*changes) as connection:
            try:
                await lock_checked(connection, user_id, check)
            except RecordNotFound:
                return 0
            theirs = (tokens.c.user_id == user_id) & gone
            # Counted before: SQLite does not report the number of rows of a WITH … DELETE.
            count = select(func.count()).select_from(tokens).where(theirs)
            ended = (await connection.execute(count)).scalar_one()
            await connection.execute(delete(tokens).where(theirs))
            return int(ended)

    async def shorten(self, name: str, expires_at: datetime) -> bool:
        """Bring the token's end forward to ``expires_at``."""
        if not is_storable(name):
            return False
        later = or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > expires_at)
        async with self._connections.write(Change("token", name)) as connection:
            result = await connection.execute(
                update(tokens).where(tokens.c.name == name, later).values(expires_at=expires_at)
            )
            return bool(result.rowcount)

    async def touch(self, last_used: Sequence[tuple[str, datetime]]) -> None:
        """Record last uses. Announces no change.

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
        """Delete tokens that ended before then. Return the number."""
        async with self._connections.write() as connection:
            result = await connection.execute(delete(tokens).where(tokens.c.expires_at < before))
            return int(result.rowcount)


def _of_user(wanted: Select[Any], user_id: str | None) -> Select[Any]:
    """Return a query for the tokens of one user, if one is given."""
    if user_id is None:
        return wanted
    return wanted.where(tokens.c.user_id == (user_id if is_storable(user_id) else ""))


def _of_sign_in(session: Token) -> ColumnElement[bool]:
    """Return the condition that a row belongs to the same sign-in as a session."""
    first = session.sign_in or session.name
    return or_(tokens.c.name == session.name, tokens.c.sign_in == first)


def _descent(token: Token) -> ColumnElement[bool]:
    """Return the condition that a row is the token or one of its descendants."""
    mine = tokens.c.user_id == token.user_id
    tree = select(tokens.c.name).where(mine, tokens.c.name == token.name).cte(recursive=True)
    made = select(tokens.c.name).join(tree, tokens.c.parent == tree.c.name).where(mine)
    return tokens.c.name.in_(select(tree.union(made).c.name))


async def _require_parent(connection: AsyncConnection, token: Token) -> None:
    """Raise ParentGone if the token's parent was revoked. Locks the user until the commit."""
    parent = select(tokens.c.name).where(
        tokens.c.name == token.parent, tokens.c.user_id == token.user_id
    )
    if (await connection.execute(parent)).first() is None:
        raise ParentGone("the token that this one was to be made with has ended or was revoked")


async def _make_room(connection: AsyncConnection, token: Token, at_most: int) -> None:
    """End tokens like ``token``, the least recently used first, to make room for one more."""
    alike = select(tokens).where(tokens.c.user_id == token.user_id, tokens.c.kind == token.kind)
    there = [token_of(dict(row._mapping)) for row in await connection.execute(alike)]
    same = sorted(
        (one for one in there if set(one.clusters) == set(token.clusters)),
        key=lambda one: (one.last_used_at or one.created_at, one.name),
    )
    for one in same[: max(0, len(same) + 1 - at_most)]:
        await connection.execute(delete(tokens).where(_descent(one)))
