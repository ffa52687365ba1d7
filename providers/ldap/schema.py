"""The entries of OpenLDAP, FreeIPA and similar servers: names, keys, account status, groups."""

from collections.abc import Sequence

from providers.base import ExternalGroup, ProviderUnavailable, Rejected
from providers.ldap.account_status import ATTRIBUTES, bind_rejection, disabled_reason
from providers.ldap.credentials import is_name
from providers.ldap.directory import DirectorySession
from providers.ldap.directory_provider import EntryQuery
from providers.ldap.filters import equals
from providers.ldap.group_membership import GroupMembershipResolver
from providers.ldap.results import BindResult, Entry
from providers.ldap.settings import OpenLdapSettings


class LdapSchema:
    """A :class:`~providers.ldap.directory_provider.DirectorySchema` with configured attributes.

    ``kind`` is the provider type, which begins the schemes of principals.
    """

    def __init__(self, kind: str, settings: OpenLdapSettings) -> None:
        self.user_scheme = f"{kind}_user"
        self.username_attribute = settings.username_attribute
        self.display_name_attribute = settings.display_name_attribute
        self.email_attribute = settings.email_attribute
        self._key_attribute = settings.key_attribute
        self._membership = GroupMembershipResolver(settings, f"{kind}_group")
        self.users = EntryQuery(
            settings.user_base or settings.base,
            settings.user_filter,
            (
                settings.key_attribute,
                settings.username_attribute,
                settings.display_name_attribute,
                settings.email_attribute,
                "cn",
                "gidNumber",
                *ATTRIBUTES,
                *filter(None, [settings.member_of_attribute]),
            ),
            settings.search_attributes,
        )
        self.groups = EntryQuery(
            settings.group_base or settings.base,
            settings.group_filter,
            (settings.key_attribute, settings.group_name_attribute),
            (settings.group_name_attribute,),
        )

    @property
    def unknown_user_dn(self) -> str:
        """Return the DN of an entry that does not exist."""
        return f"{self.username_attribute}=sekisho-unknown-user,{self.users.base}"

    def login_filter(self, username: str) -> str | None:
        """Return the filter for a login name; None if no user can have that name."""
        name = username.strip()
        return equals(self.username_attribute, name) if is_name(name) else None

    def preferred(self, found: list[Entry], username: str) -> list[Entry]:
        """Return all of ``found``: no entry takes precedence."""
        return found

    def key_filter(self, key: str) -> str | None:
        """Return the filter for the key of a principal id; None if it is not a key."""
        return equals(self._key_attribute, key) if is_name(key) else None

    def principal_id(self, user: Entry) -> str:
        """Return the principal id of a user. Raises ProviderUnavailable if there is no key."""
        key = user.text(self._key_attribute)
        if not key:
            raise ProviderUnavailable(f"{user.dn!r} has no {self._key_attribute}")
        return f"{self.user_scheme}://{key}"

    def disabled_reason(self, user: Entry, now: float) -> str | None:
        """Return why the account must not be used at ``now`` (seconds since 1970), or None."""
        try:
            return disabled_reason({one: user.text(one) for one in ATTRIBUTES}, now)
        except ValueError as exc:
            raise ProviderUnavailable(f"the account status of {user.dn!r}: {exc}") from exc

    def bind_rejection(self, bound: BindResult) -> Rejected | None:
        """Return why the directory rejected a bind, or None if it accepted it."""
        return bind_rejection(bound)

    def groups_of(self, session: DirectorySession, user: Entry) -> tuple[ExternalGroup, ...]:
        """Return every group of a user. Raises ProviderUnavailable."""
        return self._membership.of(session, user)

    def usable_groups(self, entries: Sequence[Entry]) -> list[ExternalGroup]:
        """Return the groups of ``entries``, without those that have a reserved name or no key."""
        return self._membership.usable(entries)
