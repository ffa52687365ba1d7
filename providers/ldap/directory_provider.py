"""A provider that signs in, refreshes and finds the users of a directory.

The procedure is the same for LDAP servers and Active Directory. A service account (or an anonymous
connection) finds the entry with the login name, a bind as that entry verifies the password, and the
service account reads the groups. :class:`DirectorySchema` holds the differences: names, keys,
account status and groups.

A password that no account can have (empty, or with a NUL) is never sent: a bind without a password
succeeds as anonymous (RFC 4513 §5.1.2). For an unknown login name the provider binds as an entry
that does not exist, so that the response takes as long as for a known name.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from config.address_policy import ANY_ADDRESS, AddressPolicy
from providers.base import (
    ExternalGroup,
    ExternalIdentity,
    FoundPrincipal,
    Outcome,
    PasswordAttempt,
    ProviderUnavailable,
    Rejected,
)
from providers.ldap.credentials import is_name, password_bytes
from providers.ldap.directory import Directory, DirectorySession
from providers.ldap.directory_settings import DirectorySettings
from providers.ldap.filters import all_of, any_of, begins
from providers.ldap.results import BindResult, Entry
from providers.ldap.search_results import found_principals


@dataclass(frozen=True, slots=True)
class EntryQuery:
    """How to find the users, or the groups, of a directory.

    ``attributes`` are read from each entry. A search by text looks in ``search_attributes``.
    """

    base: str
    filter: str
    attributes: tuple[str, ...]
    search_attributes: tuple[str, ...]

    def find(self, session: DirectorySession, condition: str) -> list[Entry]:
        """Return all entries that also meet ``condition``. Raises ProviderUnavailable."""
        return session.search(self.base, all_of(self.filter, condition), self.attributes)

    def find_by_text(self, session: DirectorySession, text: str, limit: int) -> list[Entry]:
        """Return up to ``limit`` entries with a value that begins with ``text``.

        Raises:
            ProviderUnavailable: the directory does not respond.

        """
        condition = any_of(*(begins(one, text) for one in self.search_attributes))
        return session.some(self.base, all_of(self.filter, condition), self.attributes, limit)


class DirectorySchema(Protocol):
    """How one type of directory represents users and groups.

    ``user_scheme`` begins the principal ids of users. Every method may raise ProviderUnavailable
    for an entry that lacks a required attribute, or has one that cannot be read.
    """

    user_scheme: str
    users: EntryQuery
    groups: EntryQuery
    username_attribute: str
    display_name_attribute: str
    email_attribute: str

    @property
    def unknown_user_dn(self) -> str:
        """Return the DN of an entry that does not exist, to bind as for unknown login names."""

    def login_filter(self, username: str) -> str | None:
        """Return the filter for a login name; None if no user can have that name."""

    def preferred(self, found: list[Entry], username: str) -> list[Entry]:
        """Return the entries that take precedence if a login name finds several."""

    def key_filter(self, key: str) -> str | None:
        """Return the filter for the key of a principal id; None if it is not a key."""

    def principal_id(self, user: Entry) -> str:
        """Return the principal id of a user's entry."""

    def disabled_reason(self, user: Entry, now: float) -> str | None:
        """Return why the account must not be used at ``now`` (seconds since 1970), or None."""

    def bind_rejection(self, bound: BindResult) -> Rejected | None:
        """Return why the directory rejected a bind, or None if it accepted it."""

    def groups_of(self, session: DirectorySession, user: Entry) -> tuple[ExternalGroup, ...]:
        """Return every group of a user."""

    def usable_groups(self, entries: Sequence[Entry]) -> list[ExternalGroup]:
        """Return the groups of ``entries``, without those that have a reserved name or no key."""


class DirectoryProvider:
    """Password sign-in, refresh and principal search with one directory."""

    def __init__(
        self,
        name: str,
        settings: DirectorySettings,
        schema: DirectorySchema,
        clock: Callable[[], float],
        addresses: AddressPolicy = ANY_ADDRESS,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._name = name
        self._schema = schema
        self._search_limit = settings.search_limit
        self._wall_clock = wall_clock
        self._directory = Directory(name, settings, clock, addresses)

    @property
    def name(self) -> str:
        """The provider's name in the configuration."""
        return self._name

    async def start(self) -> None:
        """Read the certificates. The directory need not be available yet."""
        await self._directory.start()

    async def close(self) -> None:
        """Close all connections."""
        await self._directory.close()

    async def check(self) -> None:
        """Raise ProviderUnavailable unless the service account can read the search base."""
        base = self._schema.users.base

        def read(session: DirectorySession) -> None:
            if not session.search(base, "(objectClass=*)", ["1.1"], "BASE"):
                raise ProviderUnavailable(f"{base!r} does not exist or cannot be read")

        await self._directory.run(read)

    async def authenticate(self, attempt: PasswordAttempt) -> Outcome:
        """Return the identity with this login name, if a bind with the password succeeds."""
        password = password_bytes(attempt.password)
        if isinstance(password, Rejected):
            return password
        return await self._directory.run(
            lambda session: self._sign_in(session, attempt.username, password, attempt.found)
        )

    async def search(self, text: str, *, limit: int) -> Sequence[FoundPrincipal]:
        """Return users and groups with a name that begins with ``text``."""
        limit = min(limit, self._search_limit)
        if limit < 1 or not is_name(text, empty=True):
            return []
        return await self._directory.run(lambda session: self._find(session, text, limit))

    async def named(self, dn: str) -> FoundPrincipal | None:
        """Return the user or group with a distinguished name; None if there is none.

        Raises ProviderUnavailable, also if ``dn`` is no distinguished name.
        """
        return await self._directory.run(lambda session: self._entry(session, dn))

    async def refresh(self, principal_id: str, secret: str | None) -> Outcome:
        """Return the current identity of a user, as the service account reads it."""
        scheme, _, key = principal_id.partition("://")
        condition = self._schema.key_filter(key) if scheme == self._schema.user_scheme else None
        if condition is None:
            return Rejected("not_of_this_directory")
        return await self._directory.run(lambda session: self._refresh(session, condition))

    def _sign_in(
        self,
        session: DirectorySession,
        username: str,
        password: bytes,
        count: Callable[[str], None],
    ) -> Outcome:
        found = self._named(session, username)
        if len(found) != 1:
            session.verify(self._schema.unknown_user_dn, password)
            return Rejected("ambiguous_name" if found else "unknown_user")
        user = found[0]
        count(self._schema.principal_id(user))
        rejected = self._schema.bind_rejection(session.verify(user.dn, password))
        return rejected or self._identity(session, user)

    def _named(self, session: DirectorySession, username: str) -> list[Entry]:
        condition = self._schema.login_filter(username)
        if condition is None:
            return []
        found = self._schema.users.find(session, condition)
        return found if len(found) < 2 else self._schema.preferred(found, username)

    def _refresh(self, session: DirectorySession, condition: str) -> Outcome:
        found = self._schema.users.find(session, condition)
        if len(found) > 1:
            raise ProviderUnavailable(f"several entries match {condition}: the key is not unique")
        return self._identity(session, found[0]) if found else Rejected("gone")

    def _identity(self, session: DirectorySession, user: Entry) -> Outcome:
        reason = self._schema.disabled_reason(user, self._wall_clock())
        if reason is not None:
            return Rejected(reason)
        username = user.text(self._schema.username_attribute)
        if not username:
            raise ProviderUnavailable(f"{user.dn!r} has no {self._schema.username_attribute}")
        return ExternalIdentity(
            principal_id=self._schema.principal_id(user),
            username=username,
            display_name=self._display_name(user),
            groups=self._schema.groups_of(session, user),
            email=user.text(self._schema.email_attribute),
        )

    def _display_name(self, user: Entry) -> str:
        return user.text(self._schema.display_name_attribute) or user.text("cn")

    def _find(self, session: DirectorySession, text: str, limit: int) -> list[FoundPrincipal]:
        users = self._schema.users.find_by_text(session, text, limit)
        groups = self._schema.groups.find_by_text(session, text, limit)
        return found_principals(
            [self._found_user(one) for one in users],
            [
                FoundPrincipal(one.principal_id, one.name, "group", one.name)
                for one in self._schema.usable_groups(groups)
            ],
            limit,
        )

    def _entry(self, session: DirectorySession, dn: str) -> FoundPrincipal | None:
        users, groups = self._schema.users, self._schema.groups
        for user in session.search(dn, users.filter, users.attributes, "BASE"):
            return self._found_user(user)
        found = session.search(dn, groups.filter, groups.attributes, "BASE")
        for one in self._schema.usable_groups(found):
            return FoundPrincipal(one.principal_id, one.name, "group", one.name)
        return None

    def _found_user(self, user: Entry) -> FoundPrincipal:
        username = user.text(self._schema.username_attribute)
        display_name = self._display_name(user)
        return FoundPrincipal(self._schema.principal_id(user), username, "user", display_name)
