"""The groups of somebody in an LDAP directory, groups in groups included.

Membership is written in groups (``member``, ``uniqueMember``: DNs; ``memberUid``: names; and a
person's ``gidNumber``), so it is found by searching upwards, a level at a time. Where the server
keeps ``memberOf``, that is read instead. Both end where groups go in circles: no group is looked at
twice.
"""

from collections.abc import Iterable, Sequence

import structlog

from impersonation.policy import ReservedName, refuse_reserved
from providers.base import ExternalGroup
from providers.ldap_answers import Entry
from providers.ldap_directory import Session
from providers.ldap_filters import all_of, any_of, equals
from providers.ldap_groups import batches, climb, complete
from providers.ldap_profile import OpenLdapSettings

_LOG = structlog.get_logger("sekisho.ldap")


class Membership:
    """Finds groups as configured. ``scheme`` is that of group principals."""

    def __init__(self, settings: OpenLdapSettings, scheme: str) -> None:
        self._settings = settings
        self._scheme = scheme
        self._base = settings.group_base or settings.base
        self._attributes = (settings.key_attribute, settings.group_name_attribute)

    def of(self, session: Session, user: Entry) -> tuple[ExternalGroup, ...]:
        """Every group of ``user``. Raises ProviderUnavailable."""
        by_dn: dict[str, Entry] = {}
        if self._settings.member_of_attribute:
            self._read(session, user, by_dn)
        else:
            self._look_up(session, user, by_dn)
        return complete(self.expressed(by_dn.values()))

    def expressed(self, entries: Iterable[Entry]) -> list[ExternalGroup]:
        """Groups as Sekisho knows them, without those that have no key or a reserved name."""
        groups = []
        for entry in entries:
            key = entry.text(self._settings.key_attribute)
            name = entry.text(self._settings.group_name_attribute) or entry.dn
            if not key:
                _LOG.warning("a group without a key is left out", group=entry.dn)
                continue
            try:
                refuse_reserved([name])
            except ReservedName:
                _LOG.warning("a group with a reserved name is left out", group=entry.dn)
                continue
            groups.append(ExternalGroup(f"{self._scheme}://{key}", name))
        return groups

    def _look_up(self, session: Session, user: Entry, by_dn: dict[str, Entry]) -> None:
        """Search for groups that name the user, then for those that name these, and so on."""
        first = [equals(one, user.dn) for one in self._settings.member_attributes]
        first += self._posix(user)
        if not first:
            return
        direct = self._search(session, any_of(*first), by_dn)
        if self._settings.nested_groups == "search" and self._settings.member_attributes:
            climb(direct, lambda batch: self._naming(session, batch, by_dn))

    def _posix(self, user: Entry) -> list[str]:
        settings = self._settings
        ways = []
        username = user.text(settings.username_attribute)
        if settings.member_uid_attribute and username:
            ways.append(equals(settings.member_uid_attribute, username))
        number = user.text("gidNumber") if settings.primary_groups else ""
        if number:
            ways.append(all_of(equals("objectClass", "posixGroup"), equals("gidNumber", number)))
        return ways

    def _naming(self, session: Session, names: Sequence[str], by_dn: dict[str, Entry]) -> list[str]:
        ways = [equals(one, dn) for one in self._settings.member_attributes for dn in names]
        return self._search(session, any_of(*ways), by_dn)

    def _search(self, session: Session, which: str, by_dn: dict[str, Entry]) -> list[str]:
        wanted = all_of(self._settings.group_filter, which)
        found = session.search(self._base, wanted, self._attributes)
        by_dn.update((one.dn, one) for one in found)
        return [one.dn for one in found]

    def _read(self, session: Session, user: Entry, by_dn: dict[str, Entry]) -> None:
        """Follow ``memberOf``, through groups that don't count, too; keep those that count."""
        attribute = self._settings.member_of_attribute
        assert attribute is not None
        names = user.texts(attribute)
        if self._settings.nested_groups == "search" and names:
            names = climb(names, lambda batch: self._above(session, batch, attribute))
        for batch in batches(dict.fromkeys(names)):
            self._search(session, _named(batch), by_dn)

    def _above(self, session: Session, names: Sequence[str], attribute: str) -> list[str]:
        found = session.search(self._settings.base, _named(names), [attribute])
        return [dn for entry in found for dn in entry.texts(attribute)]


def _named(names: Sequence[str]) -> str:
    """Entries with those DNs (RFC 5020)."""
    return any_of(*(equals("entryDN", name) for name in names))
