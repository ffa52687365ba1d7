"""The groups of a user in an LDAP directory, including nested groups.

Groups contain their members (``member``, ``uniqueMember``: DNs; ``memberUid``: names), or a user's
``gidNumber`` names a group. The groups are found by one search per level. If the server maintains
``memberOf``, that is read instead. Cycles are handled: no group is visited twice.
"""

from collections.abc import Iterable, Sequence

from config.loggers import get_logger
from impersonation.reserved_names import ReservedName, reject_reserved
from providers.base import ExternalGroup
from providers.ldap.directory import DirectorySession
from providers.ldap.filters import all_of, any_of, equals
from providers.ldap.nested_groups import batches, complete, expand_nested
from providers.ldap.results import Entry
from providers.ldap.settings import OpenLdapSettings

_LOG = get_logger(__name__)


class GroupMembershipResolver:
    """The groups of users, as configured. ``scheme`` begins the ids of group principals."""

    def __init__(self, settings: OpenLdapSettings, scheme: str) -> None:
        self._settings = settings
        self._scheme = scheme
        self._base = settings.group_base or settings.base
        self._attributes = (settings.key_attribute, settings.group_name_attribute)

    def of(self, session: DirectorySession, user: Entry) -> tuple[ExternalGroup, ...]:
        """Return every group of ``user``. Raises ProviderUnavailable."""
        by_dn: dict[str, Entry] = {}
        if self._settings.member_of_attribute:
            self._read(session, user, by_dn)
        else:
            self._look_up(session, user, by_dn)
        return complete(self.usable(by_dn.values()))

    def usable(self, entries: Iterable[Entry]) -> list[ExternalGroup]:
        """Return the groups of ``entries``, without those that have no key or a reserved name."""
        groups = []
        for entry in entries:
            key = entry.text(self._settings.key_attribute)
            name = entry.text(self._settings.group_name_attribute) or entry.dn
            if not key:
                _LOG.warning("a group without a key is left out", group=entry.dn)
                continue
            try:
                reject_reserved([name])
            except ReservedName:
                _LOG.warning("a group with a reserved name is left out", group=entry.dn)
                continue
            groups.append(ExternalGroup(f"{self._scheme}://{key}", name))
        return groups

    def _look_up(self, session: DirectorySession, user: Entry, by_dn: dict[str, Entry]) -> None:
        """Search for groups that name the user, then for those that name these, and so on."""
        first = [equals(one, user.dn) for one in self._settings.member_attributes]
        first += self._posix(user)
        if not first:
            return
        direct = self._search(session, any_of(*first), by_dn)
        if self._settings.nested_groups == "search" and self._settings.member_attributes:
            expand_nested(direct, lambda batch: self._naming(session, batch, by_dn))

    def _posix(self, user: Entry) -> list[str]:
        settings = self._settings
        ways = []
        if settings.member_uid_attribute:
            # A group may contain any of a user's names: the order of values has no meaning.
            names = dict.fromkeys(user.texts(settings.username_attribute))
            ways += [equals(settings.member_uid_attribute, one) for one in names if one]
        number = user.text("gidNumber") if settings.primary_groups else ""
        if number:
            ways.append(all_of(equals("objectClass", "posixGroup"), equals("gidNumber", number)))
        return ways

    def _naming(
        self, session: DirectorySession, names: Sequence[str], by_dn: dict[str, Entry]
    ) -> list[str]:
        ways = [equals(one, dn) for one in self._settings.member_attributes for dn in names]
        return self._search(session, any_of(*ways), by_dn)

    def _search(self, session: DirectorySession, which: str, by_dn: dict[str, Entry]) -> list[str]:
        wanted = all_of(self._settings.group_filter, which)
        found = session.search(self._base, wanted, self._attributes)
        by_dn.update((one.dn, one) for one in found)
        return [one.dn for one in found]

    def _read(self, session: DirectorySession, user: Entry, by_dn: dict[str, Entry]) -> None:
        """Follow ``memberOf`` through all groups, and keep those that ``group_filter`` matches."""
        attribute = self._settings.member_of_attribute
        assert attribute is not None
        names = user.texts(attribute)
        if self._settings.nested_groups == "search" and names:
            names = expand_nested(names, lambda batch: self._above(session, batch, attribute))
        for batch in batches(dict.fromkeys(names)):
            self._search(session, _named(batch), by_dn)

    def _above(self, session: DirectorySession, names: Sequence[str], attribute: str) -> list[str]:
        found = session.search(self._settings.base, _named(names), [attribute])
        return [dn for entry in found for dn in entry.texts(attribute)]


def _named(names: Sequence[str]) -> str:
    """Match entries with those DNs (RFC 5020)."""
    return any_of(*(equals("entryDN", name) for name in names))
