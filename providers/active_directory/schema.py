"""The entries of an Active Directory domain: names, keys, account status, groups.

The key of users and groups is the objectGUID. It survives renames and moves and is never reused.
"""

from collections.abc import Sequence

from providers.active_directory.account_status import disabled_reason, guid_bytes
from providers.active_directory.bind_errors import rejection
from providers.active_directory.groups import GroupFinder, principal_id
from providers.active_directory.login_names import TypedName, parse_name
from providers.active_directory.settings import ActiveDirectorySettings
from providers.base import ExternalGroup, ProviderUnavailable, Rejected
from providers.ldap.directory import DirectorySession
from providers.ldap.directory_provider import EntryQuery
from providers.ldap.filters import any_of, equals
from providers.ldap.results import INVALID_CREDENTIALS, BindResult, Entry

USER_SCHEME = "activedirectory_user"


class ActiveDirectorySchema:
    """A :class:`~providers.ldap.directory_provider.DirectorySchema` of a domain."""

    def __init__(self, settings: ActiveDirectorySettings) -> None:
        self.user_scheme = USER_SCHEME
        self.username_attribute = settings.username_attribute
        self.display_name_attribute = settings.display_name_attribute
        self.email_attribute = settings.email_attribute
        self._settings = settings
        self._groups = GroupFinder(settings)
        self.users = EntryQuery(
            settings.user_base or settings.domain_dn,
            settings.user_filter,
            (
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
            ),
            settings.search_attributes,
        )
        group_names = tuple(dict.fromkeys((settings.group_name_attribute, "cn")))
        self.groups = EntryQuery(
            settings.group_base or settings.domain_dn,
            settings.group_filter,
            ("objectGUID", *group_names),
            group_names,
        )

    @property
    def unknown_user_dn(self) -> str:
        """Return the DN of an entry that does not exist."""
        return f"CN=sekisho-unknown-user,{self.users.base}"

    def login_filter(self, username: str) -> str | None:
        """Return the filter for a login name; None if no user can have that name."""
        typed = self._parsed(username)
        if typed is None:
            return None
        conditions = []
        if typed.account:
            conditions.append(equals(self.username_attribute, typed.account))
        if typed.principal:
            conditions.append(equals(self._settings.principal_name_attribute, typed.principal))
        return any_of(*conditions)

    def preferred(self, found: list[Entry], username: str) -> list[Entry]:
        """Return the entry whose userPrincipalName is ``username``, if there is one.

        Another user's account name may be equal to the first part of that name.
        """
        typed = self._parsed(username)
        if typed is None or not typed.principal:
            return found
        principal, attribute = typed.principal.casefold(), self._settings.principal_name_attribute
        return [one for one in found if one.text(attribute).casefold() == principal] or found

    def key_filter(self, key: str) -> str | None:
        """Return the filter for the GUID of a principal id; None if it is not a GUID."""
        try:
            return equals("objectGUID", guid_bytes(key))
        except ValueError:
            return None

    def principal_id(self, user: Entry) -> str:
        """Return the principal id of a user. Raises ProviderUnavailable if there is no GUID."""
        return principal_id(self.user_scheme, user)

    def disabled_reason(self, user: Entry, now: float) -> str | None:
        """Return why the account must not be used at ``now`` (seconds since 1970), or None."""
        names = ("userAccountControl", "accountExpires")
        try:
            return disabled_reason({one: _single_value(user, one) for one in names}, now)
        except ValueError as exc:
            raise ProviderUnavailable(
                f"the account status of {user.dn!r}: {exc}; can bind_dn read it?"
            ) from exc

    def bind_rejection(self, bound: BindResult) -> Rejected | None:
        """Return why the directory rejected a bind, or None if it accepted it."""
        if bound.accepted:
            return None
        if bound.code != INVALID_CREDENTIALS:
            return Rejected("refused_by_directory", f"LDAP result {bound.code}")
        return rejection(bound.message)

    def groups_of(self, session: DirectorySession, user: Entry) -> tuple[ExternalGroup, ...]:
        """Return every group of a user. Raises ProviderUnavailable."""
        return self._groups.of(session, user)

    def usable_groups(self, entries: Sequence[Entry]) -> list[ExternalGroup]:
        """Return the groups of ``entries``, without those that have a reserved name."""
        return self._groups.usable(entries)

    def _parsed(self, username: str) -> TypedName | None:
        return parse_name(
            username, domain=self._settings.domain, short_domain=self._settings.netbios
        )


def _single_value(user: Entry, attribute: str) -> str:
    """Return the value of an attribute. Raises ValueError if it has several."""
    if len(user.raw(attribute)) > 1:
        raise ValueError(f"{attribute} has several values")
    return user.text(attribute)
