"""Protocols of the repositories of users, their tokens, and their principals at providers."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from store.page_interfaces import UserPages
from store.records import (
    Check,
    Holdings,
    Membership,
    NamedPrincipal,
    NewPassword,
    Password,
    Principal,
    PrincipalRecord,
    Token,
    TokenCounts,
    User,
    UsernameMapping,
)


class Users(UserPages, Protocol):
    """Users, their principals, groups and local passwords."""

    async def create(self, user: User, *, password: NewPassword | None = None) -> None:
        """Store ``user`` with its principals, and a local password if given, in one transaction.

        Raises Conflict where an id, a principal or the local sign-in name is taken.
        """

    async def get(self, user_id: str) -> User | None:
        """Return the user with that id."""

    async def get_many(self, user_ids: Sequence[str]) -> Sequence[User]:
        """Return the users that exist, ordered by username."""

    async def by_principal(self, principal_id: str) -> User | None:
        """Return the user who owns that principal."""

    async def find(self, name: str) -> Sequence[User]:
        """Return every user whose id, username or principal id equals ``name``."""

    async def list_all(self) -> Sequence[User]:
        """Return every user, ordered by username."""

    async def update(
        self,
        user_id: str,
        *,
        display_name: str | None = None,
        enabled: bool | None = None,
        administrator: bool | None = None,
        labels: Mapping[str, str] | None = None,
        revision: int | None = None,
        even_last: bool = False,
        check: Check | None = None,
    ) -> User:
        """Change the values that are not None, and return the changed user.

        Raises RecordNotFound, LastAdministrator (unless ``even_last``), StaleRevision if
        ``revision`` is not the user's, and the exceptions of ``check``.
        """

    async def delete(
        self, user_id: str, *, even_last: bool = False, check: Check | None = None
    ) -> None:
        """Delete the user with principals, groups, password, tokens and roles.

        Raises RecordNotFound, LastAdministrator (unless ``even_last``), and the exceptions of
        ``check``.
        """

    async def has_any(self) -> bool:
        """Return whether at least one user exists."""

    async def any_administrator(self) -> bool:
        """Return whether at least one enabled administrator exists."""

    async def memberships(self, user_id: str) -> Sequence[Membership]:
        """Return the user's group principals of all providers, ordered by id."""

    async def groups(self) -> Sequence[tuple[Membership, int]]:
        """Return every group principal with its number of users, ordered by id."""

    async def members(
        self, group_ids: Sequence[str], *, limit: int
    ) -> Sequence[tuple[str, str, str]]:
        """Return group id, group name and user id of memberships, at most ``limit``, in order."""

    async def named_in_cluster(
        self, mapping: UsernameMapping, names: Sequence[str]
    ) -> Sequence[User]:
        """Return the users whom a cluster with that mapping knows by one of ``names``."""

    async def set_memberships(
        self, user_id: str, provider: str, groups: Sequence[Membership]
    ) -> None:
        """Replace the user's groups of ``provider``."""

    async def password(self, username: str) -> Password | None:
        """Return the local account with a login name, without regard to case."""

    async def set_password(
        self, user_id: str, password: NewPassword, *, check: Check | None = None
    ) -> int:
        """Store a local password. Return the number of tokens that ended with the old one.

        The kept token is no longer confined, unless the password must change again. Raises Conflict
        if another user has that login name, RecordNotFound, and the exceptions of ``check``.
        """

    async def rehash(self, password: Password, fresh: str) -> bool:
        """Replace the hash of ``password``. Return False if the password was changed since."""


class Tokens(Protocol):
    """Bearer tokens."""

    async def create(self, token: Token, *, at_most: int | None = None) -> None:
        """Store a new token.

        With ``at_most``, the user's tokens with the same kind and clusters end if there would be
        more, the least recently used first. Raises Conflict if the name is taken, RecordNotFound
        if the user does not exist, and ParentGone.
        """

    async def get(self, name: str) -> Token | None:
        """Return the token with that name, even if it has ended."""

    async def resolve(self, name: str) -> tuple[Token, User, Sequence[Membership], Holdings] | None:
        """Return the token with that name and everything that decides about its permissions.

        The proxy's query on a cache miss. Also returns ended tokens and disabled users.
        """

    async def holdings(
        self, user_id: str, groups: Sequence[str], projects: Sequence[str] = ()
    ) -> Holdings:
        """Return the holdings of a user in ``groups`` with a token that is not stored."""

    async def list_for(self, user_id: str) -> Sequence[Token]:
        """Return a user's tokens, newest first."""

    async def counts(
        self, now: datetime, used_since: datetime, user_id: str | None = None
    ) -> TokenCounts:
        """Return how many tokens of all users, or of one, have not ended."""

    async def ending(
        self, after: datetime, before: datetime, *, user_id: str | None = None, limit: int
    ) -> Sequence[Token]:
        """Return API tokens, without sessions, that end in that time, the first to end first."""

    async def revoke(self, name: str, *, check: Check | None = None) -> bool:
        """Delete the token and all tokens that it created. Return False if it does not exist.

        For a session, this deletes every session of the same sign-in, with the tokens that they
        created. Every replica knows within a second. Raises the exceptions of ``check``.
        """

    async def sign_out(self, name: str) -> bool:
        """Delete the token, but keep the tokens that a session created.

        Every session of the same sign-in ends, including renewed ones.
        """

    async def end_sessions(
        self, user_id: str, *, principal_id: str | None = None, keep: str | None = None
    ) -> int:
        """End a user's sessions (of a principal), except ``keep``. Return the number."""

    async def shorten(self, name: str, expires_at: datetime) -> bool:
        """Bring the token's end forward to ``expires_at``. Return whether that changed it."""

    async def touch(self, last_used: Sequence[tuple[str, datetime]]) -> None:
        """Record last uses, in one statement. Announces no change."""

    async def delete_ended(self, before: datetime) -> int:
        """Delete tokens that ended before then. Return the number."""


class Identities(Protocol):
    """Principals with the data for refreshes, and the revocation of what depends on them."""

    async def get(self, principal_id: str) -> PrincipalRecord | None:
        """Return a principal."""

    async def of_user(self, user_id: str) -> Sequence[PrincipalRecord]:
        """Return all principals of a user, ordered by id."""

    async def named(self, provider: str, beginning: str, *, limit: int) -> Sequence[NamedPrincipal]:
        """Return enabled users and groups of a provider whose names begin with a text.

        At most ``limit``, ordered by name; upper and lower case are equal.
        """

    async def seen(
        self, principal_id: str, at: datetime, secret: str | None = None, *, fresh: bool = True
    ) -> None:
        """Record that the provider confirmed the principal, and enable it. Raises RecordNotFound.

        ``secret`` None keeps the stored one. ``fresh``: the confirmation is current, so the next
        refresh may wait. Otherwise it was a token that the provider issued earlier.
        """

    async def due(
        self, provider: str, before: datetime, now: datetime, *, failing: bool, limit: int
    ) -> Sequence[PrincipalRecord]:
        """Return principals of ``provider`` without a refresh since ``before``, oldest first.

        ``failing``: those whose last refresh failed and may be retried ``now``; otherwise those
        whose last refresh succeeded. The two are read separately, so that neither delays the other.
        Excludes disabled principals and users, and ended grants: those need a sign-in. An
        undecryptable secret is None.
        """

    async def failing(self, provider: str, at_least: int) -> int:
        """Return the number of principals with at least that many consecutive failures."""

    async def of_provider(self, provider: str) -> Sequence[PrincipalRecord]:
        """Return a provider's enabled principals by id. An undecryptable secret is None."""

    async def claim(self, known: PrincipalRecord, at: datetime) -> bool:
        """Claim the refresh of ``known``. Return False if another replica has since claimed it."""

    async def release(
        self, principal_id: str, claimed_at: datetime, refreshed_at: datetime | None
    ) -> None:
        """Release a claim, so that the refresh is due again. No effect on a later claim."""

    async def refresh_failed(self, principal_id: str, again_at: datetime) -> None:
        """Count a failed refresh. The next one is not before ``again_at``."""

    async def refresh_worked(self, principal_id: str) -> None:
        """Reset the number of failed refreshes."""

    async def grant_ended(self, principal_id: str, at: datetime) -> None:
        """Delete the provider's secret, which has ended. Tokens and groups stay."""

    async def renew(self, principal_id: str, secret: str) -> None:
        """Store the provider's new secret."""

    async def take_name(self, principal_id: str, name: str) -> None:
        """Give a principal its name at the provider, and remove the name from any other principal.

        A login may be released and then registered by another person. The name of the former holder
        becomes their id until the provider reports a new name. Local accounts keep their names.
        """

    async def refuse(self, principal_id: str, reason: str) -> int:
        """Disable a principal, revoke its tokens, and remove its provider's groups.

        All in one transaction. Return the number of tokens. No effect if it does not exist.
        """

    async def link(self, user_id: str, principal: Principal, secret: str | None = None) -> None:
        """Add a principal to a user. Raises Conflict if it has an owner, and RecordNotFound."""

    async def unlink(self, user_id: str, principal_id: str) -> int:
        """Remove a user's principal with its tokens and groups. Return the number of tokens.

        Raises RecordNotFound if it is not the user's, and Conflict if it is the last one.
        """

    async def revoke_tokens(
        self,
        *,
        provider: str | None = None,
        user_id: str | None = None,
        keep: str | None = None,
        check: Check | None = None,
    ) -> int:
        """Revoke tokens, except the one named ``keep``. Return the number.

        The tokens are those of a provider's principals, of a user, or (with both) of a user's
        principals at a provider. ``check`` applies to a user; its exceptions are raised.
        """

    async def forget_groups(self, provider: str) -> int:
        """Remove the group memberships that a provider reported. Return the number.

        A user's next sign-in or refresh restores them.
        """

    async def unseen(self, before: datetime) -> Sequence[User]:
        """Return users who were created and last active before then, without administrators.

        A sign-in, and the creation or use of a token, count as activity.
        """
