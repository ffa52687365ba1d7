"""Issue bearer tokens: ``<name>:<secret>``. Only a digest is stored."""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from config.durations import format_duration
from config.errors import UserError
from config.settings import Settings
from management.identity.users import random_id
from store.identity_interfaces import Tokens
from store.records import Token, TokenKind, User

SECRET_BYTES = 32


KUBECONFIGS = 10
"""Kubeconfig tokens of one user for the same clusters; one more revokes the least recently used."""


class BeyondParent(UserError):
    """The new token would have a wider scope than its parent. The message names the scope."""


class TtlTooLong(UserError):
    """The requested lifetime is not allowed. The message names the maximum."""


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new token. ``bearer`` is shown once, to the recipient, and never stored."""

    bearer: str = field(repr=False)
    token: Token


@dataclass(frozen=True, slots=True)
class TokenSpec:
    """What a new token is for.

    ``principal_id`` is the principal that it acts as; None: the user's first. ``ttl`` None: the
    default of its kind. ``clusters`` and ``projects`` are ids; empty: no limit. ``proxy_read``
    implies ``read_only``. A ``confined`` session may only change its user's password.
    """

    kind: TokenKind
    principal_id: str | None = None
    ttl: timedelta | None = None
    not_after: datetime | None = None
    clusters: Sequence[str] = ()
    projects: Sequence[str] = ()
    read_only: bool = False
    proxy_read: bool = False
    confined: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True)
class TokenLifetimes:
    """Token lifetimes by kind, and the maximum."""

    session: timedelta
    default: timedelta
    kubeconfig: timedelta
    most: timedelta
    renewable: timedelta = timedelta(0)
    """How long after the sign-in a session may be renewed."""

    def of(self, kind: TokenKind, requested: timedelta | None) -> timedelta:
        """Return the lifetime of a new token; ``requested`` None: the default of its kind.

        Raises:
            TtlTooLong: it is above the maximum, or not positive.
        """
        by_kind = {"session": self.session, "token": self.default, "kubeconfig": self.kubeconfig}
        lifetime = by_kind[kind] if requested is None else requested
        if lifetime > self.most:
            raise TtlTooLong(f"a token may live for at most {_in_words(self.most)}")
        if lifetime <= timedelta(0):
            raise TtlTooLong("the lifetime of a token must be positive")
        return lifetime


def token_lifetimes(settings: Settings) -> TokenLifetimes:
    """Return the configured token lifetimes."""
    return TokenLifetimes(
        session=settings.sessions.ttl,
        default=settings.tokens.default_ttl,
        kubeconfig=settings.tokens.kubeconfig_ttl,
        most=settings.tokens.max_ttl,
        renewable=settings.sessions.renewable_for or timedelta(0),
    )


class TokenIssuer:
    """Issue tokens and store their digests."""

    def __init__(
        self,
        tokens: Tokens,
        lifetimes: TokenLifetimes,
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
        self, user: User, spec: TokenSpec, *, made_with: Token | None = None
    ) -> IssuedToken:
        """Issue and store a new token of ``user``.

        ``made_with`` is the token that the caller uses. The new token is its child: it may do no
        more and, unless the parent is a session, ends no later. A session made with another session
        continues it.

        Raises:
            TtlTooLong: the lifetime is above the maximum, or not positive.
            BeyondParent: the new token would have a wider scope than ``made_with``.
            ParentGone: ``made_with`` was revoked in the meantime.

        """
        now = self._now()
        ends = now + self._lifetimes.of(spec.kind, spec.ttl)
        bearer, name, digest = _mint(spec.kind)
        session = spec.kind == "session"
        token = Token(
            name=name,
            kind=spec.kind,
            digest=digest,
            user_id=user.id,
            principal_id=spec.principal_id or user.principals[0].id,
            description=spec.description,
            created_at=now,
            expires_at=min(ends, spec.not_after) if spec.not_after is not None else ends,
            clusters=tuple(spec.clusters),
            projects=tuple(spec.projects),
            read_only=spec.read_only or spec.proxy_read,
            proxy_read=spec.proxy_read,
            signed_in_at=now if session else None,
            sign_in=name if session else None,
            confined=spec.confined,
        )
        if made_with is not None:
            token = bounded(token, made_with)
        at_most = KUBECONFIGS if spec.kind == "kubeconfig" else None
        await self._tokens.create(token, at_most=at_most)
        return IssuedToken(bearer, token)


def bounded(child: Token, parent: Token) -> Token:
    """Return ``child`` limited to the scope and lifetime of ``parent``.

    A token of another issuer is never stored, so it cannot be the recorded parent. Its limits apply
    nevertheless.

    Raises:
        BeyondParent: ``child`` names clusters or projects outside the parent's.
    """
    expires_at = child.expires_at
    if parent.kind != "session" and parent.expires_at is not None:
        expires_at = min(expires_at or parent.expires_at, parent.expires_at)
    return replace(
        child,
        parent=parent.name if parent.kind != "bearer" else None,
        sign_in=parent.sign_in or (parent.name if parent.kind == "session" else None),
        signed_in_at=parent.signed_in_at if child.kind == "session" else None,
        expires_at=expires_at,
        clusters=_narrowed("clusters", child.clusters, parent.clusters),
        projects=_narrowed("projects", child.projects, parent.projects),
        read_only=child.read_only or parent.read_only,
        proxy_read=_proxy_read(child, parent),
        confined=child.confined or parent.confined,
    )


def _proxy_read(child: Token, parent: Token) -> bool:
    """Return whether a read-only child may read through the proxy: only if its parent may."""
    if parent.read_only and not parent.proxy_read:
        return False
    return child.proxy_read or (parent.proxy_read and not child.read_only)


def _narrowed(what: str, wanted: tuple[str, ...], limit: tuple[str, ...]) -> tuple[str, ...]:
    """Return ``wanted`` if it is within ``limit``; empty means no limit."""
    if limit and not set(wanted) <= set(limit):
        raise BeyondParent(
            f"your token is not valid for all of these {what}; name fewer, or use another token"
        )
    return wanted or limit


def is_over(when: datetime | None) -> bool:
    """Return whether ``when`` is past; None is never."""
    return when is not None and when <= datetime.now(UTC)


def renewable_until(token: Token, renewable_for: timedelta) -> datetime | None:
    """Return until when a session may be renewed; None if it may not."""
    if token.kind != "session" or token.signed_in_at is None or not renewable_for:
        return None
    return token.signed_in_at + renewable_for


def _in_words(duration: timedelta) -> str:
    days, rest = divmod(duration, timedelta(days=1))
    return format_duration(duration) if rest or days < 2 else f"{days} days"


def _mint(kind: TokenKind) -> tuple[str, str, bytes]:
    """Return a bearer, its name, and the digest of its bytes (see token_authenticator.py)."""
    name = random_id(kind)
    bearer = f"{name}:{secrets.token_urlsafe(SECRET_BYTES)}"
    return bearer, name, hashlib.sha256(bearer.encode("ascii")).digest()
