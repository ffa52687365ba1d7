"""The groups of a user in Active Directory.

There are three ways: ``in_chain`` makes one search with the matching rule that follows ``member``
to any depth. ``token_groups`` reads the security identifiers of a logon token from the domain
controller, and then searches for these groups. ``none`` searches for direct membership.

The primary group (``primaryGroupID``, usually Domain Users) is in no ``member`` attribute. It is
found by its SID, and the groups that contain it by following ``memberOf``.
"""

from collections.abc import Iterable, Sequence

from config.loggers import get_logger
from impersonation.reserved_names import ReservedName, reject_reserved
from providers.active_directory.account_status import guid_text, sid_beside
from providers.active_directory.settings import ActiveDirectorySettings
from providers.base import ExternalGroup, ProviderUnavailable
from providers.ldap.directory import DirectorySession
from providers.ldap.filters import all_of, any_of, equals, in_chain
from providers.ldap.nested_groups import batches, complete, expand_nested
from providers.ldap.results import Entry

GROUP_SCHEME = "activedirectory_group"

_LOG = get_logger(__name__)


class GroupFinder:
    """The groups of users, as configured."""

    def __init__(self, settings: ActiveDirectorySettings) -> None:
        self._settings = settings
        self._base = settings.group_base or settings.domain_dn
        self._attributes = ("objectGUID", settings.group_name_attribute, "cn")

    def of(self, session: DirectorySession, user: Entry) -> tuple[ExternalGroup, ...]:
        """Return every group of ``user``. Raises ProviderUnavailable."""
        if self._settings.nested_groups == "token_groups":
            found = self._by_tokens(session, user)
        else:
            nested = self._settings.nested_groups == "in_chain"
            member = in_chain("member", user.dn) if nested else equals("member", user.dn)
            found = self._search(session, member)
            found += self._primary(session, user, nested=nested)
        return complete(self.usable(found))

    def usable(self, entries: Iterable[Entry]) -> list[ExternalGroup]:
        """Return the groups of ``entries``, without those that have a reserved name."""
        groups = []
        for entry in entries:
            name = self.name(entry)
            try:
                reject_reserved([name])
            except ReservedName:
                _LOG.warning("a group with a reserved name is left out", group=name)
                continue
            groups.append(ExternalGroup(principal_id(GROUP_SCHEME, entry), name))
        return groups

    def name(self, entry: Entry) -> str:
        """Return the name of a group."""
        return entry.text(self._settings.group_name_attribute) or entry.text("cn") or entry.dn

    def _search(self, session: DirectorySession, which: str) -> list[Entry]:
        return session.search(
            self._base, all_of(self._settings.group_filter, which), self._attributes
        )

    def _by_tokens(self, session: DirectorySession, user: Entry) -> list[Entry]:
        own = session.search(user.dn, "(objectClass=*)", ["tokenGroups"], "BASE")
        sids = own[0].raw("tokenGroups") if own else ()
        if not sids:
            # Every user has a primary group, so an empty list means a missing permission.
            raise ProviderUnavailable("tokenGroups cannot be read; can bind_dn read it?")
        return [
            group
            for batch in batches(sids)
            for group in self._search(session, any_of(*(equals("objectSid", one) for one in batch)))
        ]

    def _primary(self, session: DirectorySession, user: Entry, *, nested: bool) -> list[Entry]:
        """Return the primary group and the groups that contain it."""
        sid = primary_sid(user)
        if sid is None:
            return []
        own = equals("objectSid", sid)
        found = self._search(session, own)
        if not nested:
            return found
        domain = self._settings.domain_dn
        above = _parents_of(session.search(domain, own, ["memberOf"]))
        if not above:
            return found
        names = expand_nested(above, lambda batch: self._parents(session, batch))
        for batch in batches(names):
            found += self._search(session, _named(batch))
        return found

    def _parents(self, session: DirectorySession, names: Sequence[str]) -> list[str]:
        return _parents_of(session.search(self._settings.domain_dn, _named(names), ["memberOf"]))


def primary_sid(user: Entry) -> bytes | None:
    """Return the SID of the primary group. Raises ProviderUnavailable if it is not valid."""
    sid, relative = user.first("objectSid"), user.text("primaryGroupID")
    if sid is None or not relative:
        return None
    try:
        return sid_beside(sid, int(relative))
    except ValueError as exc:
        raise ProviderUnavailable(f"the directory's objectSid or primaryGroupID: {exc}") from exc


def principal_id(scheme: str, entry: Entry) -> str:
    """Return the principal id of an entry. Raises ProviderUnavailable if it has no GUID."""
    try:
        return f"{scheme}://{guid_text(entry.first('objectGUID') or b'')}"
    except ValueError as exc:
        raise ProviderUnavailable(
            f"the directory returns no objectGUID for {entry.dn!r}; can bind_dn read it?"
        ) from exc


def _parents_of(entries: Iterable[Entry]) -> list[str]:
    return [dn for entry in entries for dn in entry.texts("memberOf")]


def _named(names: Sequence[str]) -> str:
    return any_of(*(equals("distinguishedName", name) for name in names))
