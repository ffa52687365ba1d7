"""The groups of somebody in Active Directory.

Three ways, as configured: ``in_chain`` asks once with the matching rule that follows ``member`` to
any depth; ``token_groups`` asks the domain controller for what it would put into a logon token
(security identifiers), and then which groups those are; ``none`` asks for direct membership.

The primary group (``primaryGroupID``, usually Domain Users) is in no ``member`` attribute, so it is
looked up by its SID; the groups that it is in are found by climbing ``memberOf``.
"""

from collections.abc import Iterable, Sequence

import structlog

from impersonation.policy import ReservedName, refuse_reserved
from providers.active_directory_account import guid_text, sid_beside
from providers.active_directory_settings import ActiveDirectorySettings
from providers.base import ExternalGroup, ProviderUnavailable
from providers.ldap_answers import Entry
from providers.ldap_directory import Session
from providers.ldap_filters import all_of, any_of, equals, in_chain
from providers.ldap_groups import batches, climb, complete

GROUP_SCHEME = "activedirectory_group"

_LOG = structlog.get_logger("sekisho.active_directory")


class GroupFinder:
    """Finds groups as configured."""

    def __init__(self, settings: ActiveDirectorySettings) -> None:
        self._settings = settings
        self._base = settings.group_base or settings.domain_dn
        self._attributes = ("objectGUID", settings.group_name_attribute, "cn")

    def of(self, session: Session, user: Entry) -> tuple[ExternalGroup, ...]:
        """Every group of ``user``. Raises ProviderUnavailable."""
        if self._settings.nested_groups == "token_groups":
            found = self._by_tokens(session, user)
        else:
            nested = self._settings.nested_groups == "in_chain"
            member = in_chain("member", user.dn) if nested else equals("member", user.dn)
            found = self._search(session, member)
            found += self._primary(session, user, nested=nested)
        return complete(self.expressed(found))

    def expressed(self, entries: Iterable[Entry]) -> list[ExternalGroup]:
        """Groups as Sekisho knows them, without those whose names it may not hand out."""
        groups = []
        for entry in entries:
            name = self.name(entry)
            try:
                refuse_reserved([name])
            except ReservedName:
                _LOG.warning("a group with a reserved name is left out", group=name)
                continue
            groups.append(ExternalGroup(principal_id(GROUP_SCHEME, entry), name))
        return groups

    def name(self, entry: Entry) -> str:
        """What a group is called."""
        return entry.text(self._settings.group_name_attribute) or entry.text("cn") or entry.dn

    def _search(self, session: Session, which: str) -> list[Entry]:
        return session.search(
            self._base, all_of(self._settings.group_filter, which), self._attributes
        )

    def _by_tokens(self, session: Session, user: Entry) -> list[Entry]:
        own = session.search(user.dn, "(objectClass=*)", ["tokenGroups"], "BASE")
        sids = own[0].raw("tokenGroups") if own else ()
        if not sids:
            # There is always the primary group, so this is a missing right and not an answer.
            raise ProviderUnavailable("tokenGroups can't be read: may bind_dn?")
        return [
            group
            for batch in batches(sids)
            for group in self._search(session, any_of(*(equals("objectSid", one) for one in batch)))
        ]

    def _primary(self, session: Session, user: Entry, *, nested: bool) -> list[Entry]:
        """The primary group, and what it is in."""
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
        names = climb(above, lambda batch: self._parents(session, batch))
        for batch in batches(names):
            found += self._search(session, _named(batch))
        return found

    def _parents(self, session: Session, names: Sequence[str]) -> list[str]:
        return _parents_of(session.search(self._settings.domain_dn, _named(names), ["memberOf"]))


def primary_sid(user: Entry) -> bytes | None:
    """The SID of the primary group. Raises ProviderUnavailable where it makes no sense."""
    sid, relative = user.first("objectSid"), user.text("primaryGroupID")
    if sid is None or not relative:
        return None
    try:
        return sid_beside(sid, int(relative))
    except ValueError as exc:
        raise ProviderUnavailable(f"the directory's objectSid or primaryGroupID: {exc}") from exc


def principal_id(scheme: str, entry: Entry) -> str:
    """The principal of an entry. Raises ProviderUnavailable where it has no GUID."""
    try:
        return f"{scheme}://{guid_text(entry.first('objectGUID') or b'')}"
    except ValueError as exc:
        raise ProviderUnavailable(
            f"the directory gives no objectGUID of {entry.dn!r}: may bind_dn read it?"
        ) from exc


def _parents_of(entries: Iterable[Entry]) -> list[str]:
    return [dn for entry in entries for dn in entry.texts("memberOf")]


def _named(names: Sequence[str]) -> str:
    return any_of(*(equals("distinguishedName", name) for name in names))
