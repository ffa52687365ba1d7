"""Issuing bearer tokens: ``<name>:<secret>``, of which only a digest is kept."""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from config.durations import format_duration
from management.users import random_id
from store.interfaces import Token, TokenKind, Tokens, User

SECRET_BYTES = 32


class TtlTooLong(Exception):
    """A token may not live as long as asked. The message says how long it may."""


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new token: ``bearer`` is told once, to whom it is issued, and kept nowhere."""

    bearer: str = field(repr=False)
    token: Token


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long tokens live, by kind, and the most that may be asked for."""

    session: timedelta
    default: timedelta
    kubeconfig: timedelta
    most: timedelta
    renewable: timedelta = timedelta(0)
    """How long after the sign-in a session may be renewed."""

    def of(self, kind: TokenKind, asked: timedelta | None) -> timedelta:
        """The lifetime of a new token. Raises TtlTooLong."""
        by_kind = {"session": self.session, "token": self.default, "kubeconfig": self.kubeconfig}
        lifetime = by_kind[kind] if asked is None else asked
        if lifetime > self.most:
            raise TtlTooLong(f"a token may live {_in_words(self.most)} at the most")
        if lifetime <= timedelta(0):
            raise TtlTooLong("a token must live for a while")
        return lifetime


class TokenService:
    """Issues tokens and stores their digests."""

    def __init__(
        self,
        tokens: Tokens,
        lifetimes: Lifetimes,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._tokens = tokens
        self._lifetimes = lifetimes
        self._now = now

    @property
    def renewable_for(self) -> timedelta:
        """How long after the sign-in a session may be renewed."""
        return self._lifetimes.renewable

    async def issue(
        self,
        user: User,
        *,
        kind: TokenKind,
        principal_id: str | None = None,
        ttl: timedelta | None = None,
        not_after: datetime | None = None,
        clusters: Sequence[str] = (),
        projects: Sequence[str] = (),
        read_only: bool = False,
        description: str = "",
        signed_in_at: datetime | None = None,
    ) -> IssuedToken:
        """A new token of ``user``, acting as ``principal_id`` (default: the user's first).

        ``not_after`` shortens it where it would outlive what it was made with. ``signed_in_at`` is
        that of the session that a new one continues. Raises TtlTooLong.
        """
        now = self._now()
        ends = now + self._lifetimes.of(kind, ttl)
        bearer, name, digest = _mint(kind)
        token = Token(
            name=name,
            kind=kind,
            digest=digest,
            user_id=user.id,
            principal_id=principal_id or user.principals[0].id,
            description=description,
            created_at=now,
            expires_at=min(ends, not_after) if not_after is not None else ends,
            clusters=tuple(clusters),
            projects=tuple(projects),
            read_only=read_only,
            signed_in_at=(signed_in_at or now) if kind == "session" else None,
        )
        await self._tokens.create(token)
        return IssuedToken(bearer, token)


def renewable_until(token: Token, renewable_for: timedelta) -> datetime | None:
    """Until when a session may be renewed; None where it may not be at all."""
    if token.kind != "session" or token.signed_in_at is None or not renewable_for:
        return None
    return token.signed_in_at + renewable_for


def _in_words(duration: timedelta) -> str:
    days, rest = divmod(duration, timedelta(days=1))
    return format_duration(duration) if rest or days < 2 else f"{days} days"


def _mint(kind: TokenKind) -> tuple[str, str, bytes]:
    """A bearer, its name, and the digest of the bearer's bytes (see management/resolver.py)."""
    name = random_id(kind)
    bearer = f"{name}:{secrets.token_urlsafe(SECRET_BYTES)}"
    return bearer, name, hashlib.sha256(bearer.encode("ascii")).digest()
