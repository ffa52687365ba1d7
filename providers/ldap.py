"""The provider types ``openldap`` and ``freeipa``: people of an LDAP directory.

One implementation; the types differ in defaults and in the schemes of their principals. As with
Active Directory, a service account (or nobody, where the directory lets anybody search) finds whose
name was typed, their password is verified by a bind as them, and their groups are read.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

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
from providers.ldap_account import ATTRIBUTES, closed_for, refusal
from providers.ldap_answers import Entry
from providers.ldap_credentials import is_name, password_bytes
from providers.ldap_directory import Directory, Session
from providers.ldap_filters import all_of, any_of, begins, equals
from providers.ldap_membership import Membership
from providers.ldap_profile import FreeIpaSettings, OpenLdapSettings
from providers.ldap_search import found_principals


class LdapProvider:
    """Signs in, searches and refreshes people of a directory."""

    def __init__(
        self,
        name: str,
        kind: str,
        settings: OpenLdapSettings,
        clock: Callable[[], float],
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._name = name
        self._scheme = f"{kind}_user"
        self._settings = settings
        self._wall_clock = wall_clock
        self._base = settings.user_base or settings.base
        self._attributes = (
            settings.key_attribute,
            settings.username_attribute,
            settings.display_name_attribute,
            settings.email_attribute,
            "cn",
            "gidNumber",
            *ATTRIBUTES,
            *filter(None, [settings.member_of_attribute]),
        )
        self._membership = Membership(settings, f"{kind}_group")
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
        """Whether the search base can be read."""

        def read(session: Session) -> None:
            if not session.search(self._base, "(objectClass=*)", ["1.1"], "BASE"):
                raise ProviderUnavailable(f"{self._base!r} isn't there, or can't be read")

        await self._directory.run(read)

    async def authenticate(self, attempt: Attempt) -> Outcome:
        """Who it is, by a bind with their password."""
        password = password_bytes(attempt.password)
        if isinstance(password, Refused):
            return password
        username = attempt.username.strip()
        return await self._directory.run(lambda session: self._sign_in(session, username, password))

    async def search(self, text: str, *, limit: int) -> Sequence[FoundPrincipal]:
        """People and groups whose names begin with ``text``."""
        limit = min(limit, self._settings.search_limit)
        if limit < 1 or not is_name(text, empty=True):
            return []
        return await self._directory.run(lambda session: self._find(session, text, limit))

    async def refresh(self, principal_id: str, secret: str | None) -> Outcome:
        """What has become of somebody, asked with the service account."""
        scheme, _, key = principal_id.partition("://")
        if scheme != self._scheme or not is_name(key):
            return Refused("not_of_this_directory")
        return await self._directory.run(lambda session: self._look_again(session, key))

    def _sign_in(self, session: Session, username: str, password: bytes) -> Outcome:
        found = self._named(session, username) if is_name(username) else []
        if len(found) != 1:
            # It takes as long as for a name that there is.
            session.verify(
                f"{self._settings.username_attribute}=sekisho-asks-for-nobody,{self._base}",
                password,
            )
            return Refused("ambiguous_name" if found else "unknown_user")
        why = refusal(session.verify(found[0].dn, password))
        return why or self._identity(session, found[0])

    def _named(self, session: Session, username: str) -> list[Entry]:
        wanted = equals(self._settings.username_attribute, username)
        return session.search(
            self._base, all_of(self._settings.user_filter, wanted), self._attributes
        )

    def _look_again(self, session: Session, key: str) -> Outcome:
        wanted = all_of(self._settings.user_filter, equals(self._settings.key_attribute, key))
        found = session.search(self._base, wanted, self._attributes)
        if len(found) > 1:
            raise ProviderUnavailable(f"{self._settings.key_attribute} is not unique")
        return self._identity(session, found[0]) if found else Refused("gone")

    def _identity(self, session: Session, user: Entry) -> Outcome:
        try:
            closed = closed_for({one: user.text(one) for one in ATTRIBUTES}, self._wall_clock())
        except ValueError as exc:
            raise ProviderUnavailable(f"{user.dn!r} has an odd date: {exc}") from exc
        if closed is not None:
            return Refused(closed)
        return ExternalIdentity(
            principal_id=self._principal(user),
            username=self._username(user),
            display_name=self._display_name(user),
            groups=self._membership.of(session, user),
            email=user.text(self._settings.email_attribute),
        )

    def _principal(self, user: Entry) -> str:
        key = user.text(self._settings.key_attribute)
        if not key:
            raise ProviderUnavailable(f"{user.dn!r} has no {self._settings.key_attribute}")
        return f"{self._scheme}://{key}"

    def _username(self, user: Entry) -> str:
        name = user.text(self._settings.username_attribute)
        if not name:
            raise ProviderUnavailable(f"{user.dn!r} has no {self._settings.username_attribute}")
        return name

    def _display_name(self, user: Entry) -> str:
        return user.text(self._settings.display_name_attribute) or user.text("cn")

    def _find(self, session: Session, text: str, limit: int) -> list[FoundPrincipal]:
        settings = self._settings
        names = any_of(*(begins(one, text) for one in settings.search_attributes))
        people = session.some(
            self._base, all_of(settings.user_filter, names), self._attributes, limit
        )
        groups = session.some(
            settings.group_base or settings.base,
            all_of(settings.group_filter, begins(settings.group_name_attribute, text)),
            (settings.key_attribute, settings.group_name_attribute),
            limit,
        )
        return found_principals(
            [
                FoundPrincipal(
                    self._principal(one), self._username(one), "user", self._display_name(one)
                )
                for one in people
            ],
            [
                FoundPrincipal(one.principal_id, one.name, "group", one.name)
                for one in self._membership.expressed(groups)
            ],
            limit,
        )


@dataclass(frozen=True, slots=True)
class LdapType:
    """The entry points ``openldap`` and ``freeipa``; ``kind`` begins the schemes."""

    kind: str
    settings_model: type[BaseModel]

    def schemes(self, name: str, settings: Any) -> tuple[str, ...]:
        """The schemes of its principals: UUIDs are unique over all directories."""
        return (f"{self.kind}_user", f"{self.kind}_group")

    def create(self, name: str, settings: Any, context: ProviderContext) -> Provider:
        """A provider called ``name``."""
        return LdapProvider(name, self.kind, settings, context.clock)


OPENLDAP = LdapType("openldap", OpenLdapSettings)
FREEIPA = LdapType("freeipa", FreeIpaSettings)
