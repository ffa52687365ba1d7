"""The provider type ``activedirectory``: people of an Active Directory domain.

A service account finds whose name was typed; then their password is verified by a bind as them,
and their groups are read. People and groups are keyed by objectGUID, which a renaming or a move
doesn't change and which is never given to another.

What can't be anybody's password (an empty one, one with a NUL) is never sent: a bind without a
password succeeds for everybody (RFC 4513 §5.1.2). For an unknown name a bind is tried all the same,
as nobody, so that it takes as long as for a known one.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from providers.active_directory_account import closed_for, guid_bytes
from providers.active_directory_groups import GROUP_SCHEME, GroupFinder, principal_id
from providers.active_directory_names import TypedName, parse_name
from providers.active_directory_settings import ActiveDirectorySettings
from providers.active_directory_subcodes import refusal
from providers.base import (
    Attempt,
    ExternalIdentity,
    FoundPrincipal,
    Outcome,
    Provider,
    ProviderContext,
    ProviderUnavailable,
    Refused,
)
from providers.ldap_answers import INVALID_CREDENTIALS, Entry
from providers.ldap_credentials import is_name, password_bytes
from providers.ldap_directory import Directory, Session
from providers.ldap_filters import all_of, any_of, begins, equals
from providers.ldap_search import found_principals

USER_SCHEME = "activedirectory_user"


class ActiveDirectoryProvider:
    """Signs in, searches and refreshes people of a domain."""

    def __init__(
        self,
        name: str,
        settings: ActiveDirectorySettings,
        clock: Callable[[], float],
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._name = name
        self._settings = settings
        self._wall_clock = wall_clock
        self._base = settings.user_base or settings.domain_dn
        self._attributes = (
            "objectGUID",
            "objectSid",
            "primaryGroupID",
            "userAccountControl",
            "accountExpires",
            "cn",
            settings.username_attribute,
            settings.principal_name_attribute,
            settings.display_name_attribute,
            settings.email_attribute,
        )
        self._groups = GroupFinder(settings)
        self._directory = Directory(name, settings, clock)

    @property
    def name(self) -> str:
        """What the operator called it."""
        return self._name

    async def start(self) -> None:
        """Read the certificates. The directory itself may be down: that passes."""
        await self._directory.start()

    async def close(self) -> None:
        """Hang up."""
        await self._directory.close()

    async def check(self) -> None:
        """Whether the service account can read the domain."""

        def read(session: Session) -> None:
            if not session.search(self._base, "(objectClass=*)", ["1.1"], "BASE"):
                raise ProviderUnavailable(f"{self._base!r} isn't there, or can't be read")

        await self._directory.run(read)

    async def authenticate(self, attempt: Attempt) -> Outcome:
        """Who it is, by a bind with their password."""
        password = password_bytes(attempt.password)
        if isinstance(password, Refused):
            return password
        typed = parse_name(
            attempt.username, domain=self._settings.domain, short_domain=self._settings.netbios
        )
        return await self._directory.run(lambda session: self._sign_in(session, typed, password))

    async def search(self, text: str, *, limit: int) -> Sequence[FoundPrincipal]:
        """People and groups whose names begin with ``text``."""
        limit = min(limit, self._settings.search_limit)
        if limit < 1 or not is_name(text, empty=True):
            return []
        return await self._directory.run(lambda session: self._find(session, text, limit))

    async def refresh(self, principal_id: str, secret: str | None) -> Outcome:
        """What has become of somebody, asked with the service account."""
        scheme, _, key = principal_id.partition("://")
        try:
            guid = guid_bytes(key)
        except ValueError:
            return Refused("not_of_this_directory")
        if scheme != USER_SCHEME:
            return Refused("not_of_this_directory")
        return await self._directory.run(lambda session: self._look_again(session, guid))

    def _sign_in(self, session: Session, typed: TypedName | None, password: bytes) -> Outcome:
        found = self._named(session, typed) if typed else []
        if len(found) != 1:
            session.verify(f"CN=sekisho-asks-for-nobody,{self._base}", password)
            return Refused("ambiguous_name" if found else "unknown_user")
        user = found[0]
        bound = session.verify(user.dn, password)
        if not bound.accepted:
            if bound.code != INVALID_CREDENTIALS:
                return Refused("refused_by_directory", f"LDAP result {bound.code}")
            return refusal(bound.message)
        return self._identity(session, user)

    def _named(self, session: Session, typed: TypedName) -> list[Entry]:
        """Those who have the name. Of a UPN and an account's name alike, the UPN's owner."""
        ways = []
        if typed.account:
            ways.append(equals(self._settings.username_attribute, typed.account))
        if typed.principal:
            ways.append(equals(self._settings.principal_name_attribute, typed.principal))
        found = session.search(
            self._base, all_of(self._settings.user_filter, any_of(*ways)), self._attributes
        )
        if len(found) < 2 or not typed.principal:
            return found
        principal = typed.principal.casefold()
        attribute = self._settings.principal_name_attribute
        return [one for one in found if one.text(attribute).casefold() == principal] or found

    def _look_again(self, session: Session, guid: bytes) -> Outcome:
        wanted = all_of(self._settings.user_filter, equals("objectGUID", guid))
        found = session.search(self._base, wanted, self._attributes)
        if not found:
            return Refused("gone")
        return self._identity(session, found[0])

    def _identity(self, session: Session, user: Entry) -> Outcome:
        closed = self._closed(user)
        if closed is not None:
            return Refused(closed)
        username = user.text(self._settings.username_attribute)
        if not username:
            raise ProviderUnavailable(f"{user.dn!r} has no {self._settings.username_attribute}")
        return ExternalIdentity(
            principal_id=principal_id(USER_SCHEME, user),
            username=username,
            display_name=self._display_name(user),
            groups=self._groups.of(session, user),
            email=user.text(self._settings.email_attribute),
        )

    def _closed(self, user: Entry) -> str | None:
        attributes = {one: user.text(one) for one in ("userAccountControl", "accountExpires")}
        try:
            return closed_for(attributes, self._wall_clock())
        except ValueError as exc:
            raise ProviderUnavailable(
                f"the directory gives no userAccountControl of {user.dn!r}: may bind_dn read it?"
            ) from exc

    def _display_name(self, user: Entry) -> str:
        return user.text(self._settings.display_name_attribute) or user.text("cn")

    def _find(self, session: Session, text: str, limit: int) -> list[FoundPrincipal]:
        settings = self._settings
        people = session.some(
            self._base,
            all_of(settings.user_filter, any_of(*_each_begins(settings.search_attributes, text))),
            self._attributes,
            limit,
        )
        names = dict.fromkeys((settings.group_name_attribute, "cn"))
        groups = session.some(
            settings.group_base or settings.domain_dn,
            all_of(settings.group_filter, any_of(*_each_begins(names, text))),
            ("objectGUID", *names),
            limit,
        )
        return found_principals(
            [self._found_user(one) for one in people],
            [
                FoundPrincipal(one.principal_id, one.name, "group", one.name)
                for one in self._groups.expressed(groups)
            ],
            limit,
        )

    def _found_user(self, user: Entry) -> FoundPrincipal:
        name = user.text(self._settings.username_attribute)
        shown = self._display_name(user)
        return FoundPrincipal(principal_id(USER_SCHEME, user), name, "user", shown)


def _each_begins(attributes: Sequence[str] | dict[str, None], text: str) -> list[str]:
    return [begins(attribute, text) for attribute in attributes]


@dataclass(frozen=True, slots=True)
class ActiveDirectoryType:
    """The entry point ``activedirectory``."""

    settings_model: type[BaseModel] = ActiveDirectorySettings

    def schemes(self, name: str, settings: Any) -> tuple[str, ...]:
        """The schemes of its principals: GUIDs are unique over all directories."""
        return (USER_SCHEME, GROUP_SCHEME)

    def create(self, name: str, settings: Any, context: ProviderContext) -> Provider:
        """A provider called ``name``."""
        return ActiveDirectoryProvider(name, settings, context.clock)


PROVIDER = ActiveDirectoryType()
