"""The settings of the provider types ``openldap`` and ``freeipa``, with their defaults."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from providers.ldap.directory_settings import Attribute, DirectorySettings, Dn, Filter
from providers.settings.effects import Effect


class OpenLdapSettings(DirectorySettings):
    """Users and groups of an LDAP directory, with defaults for OpenLDAP's schemas."""

    EFFECTS: ClassVar = {
        "base": Effect.MEANING | Effect.BACKEND,
        "user_base": Effect.MEANING,
        "group_base": Effect.MEANING,
        "user_filter": Effect.MEANING,
        "group_filter": Effect.MEANING,
        "key_attribute": Effect.MEANING | Effect.BACKEND,
        "username_attribute": Effect.MEANING,
        "display_name_attribute": Effect.NONE,
        "email_attribute": Effect.NONE,
        "group_name_attribute": Effect.MEANING,
        "member_attributes": Effect.MEANING,
        "member_uid_attribute": Effect.MEANING,
        "primary_groups": Effect.MEANING,
        "member_of_attribute": Effect.MEANING,
        "nested_groups": Effect.MEANING,
        "search_attributes": Effect.NONE,
    }

    base: Dn
    """The directory's suffix: ``dc=example,dc=com``."""

    user_base: Dn | None = None
    """The search base of users. Default: ``base``."""

    group_base: Dn | None = None
    """The search base of groups. Default: ``base``."""

    user_filter: Filter = "(|(objectClass=inetOrgPerson)(objectClass=posixAccount))"
    """The users who may sign in, and whom a search finds."""

    group_filter: Filter = (
        "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup))"
    )
    """The groups that count."""

    key_attribute: Attribute = "entryUUID"
    """The key of principals: unique, never changed, and never reused."""

    username_attribute: Attribute = "uid"
    """The login name and user name."""

    display_name_attribute: Attribute = "displayName"
    """The display name of users. Default: ``cn``."""

    email_attribute: Attribute = "mail"
    """The e-mail address of users."""

    group_name_attribute: Attribute = "cn"
    """The name of groups."""

    member_attributes: tuple[Attribute, ...] = ("member", "uniqueMember")
    """Attributes of groups that hold the DNs of members."""

    member_uid_attribute: Attribute | None = "memberUid"
    """The attribute of groups with the names of members (posixGroup); null: none."""

    primary_groups: bool = True
    """Whether a user's ``gidNumber`` makes them a member of the posixGroup with that number."""

    member_of_attribute: Attribute | None = None
    """The attribute of users and groups that names their groups (``memberOf``), if the server
    maintains one. It is then read instead of searching for ``member_attributes``."""

    nested_groups: Literal["search", "none"] = "search"
    """Whether nested groups count. Each level takes one search; cycles are handled."""

    search_attributes: Annotated[tuple[Attribute, ...], Field(min_length=1)] = (
        "uid",
        "cn",
        "sn",
        "mail",
    )
    """The attributes in which a search for users looks. Groups are found by name."""


class FreeIpaSettings(OpenLdapSettings):
    """The same settings with FreeIPA's defaults: its keys, and ``memberOf``."""

    user_filter: Filter = "(&(objectClass=person)(objectClass=posixAccount))"
    group_filter: Filter = "(objectClass=ipaUserGroup)"
    key_attribute: Attribute = "ipaUniqueID"
    member_of_attribute: Attribute | None = "memberOf"
    member_attributes: tuple[Attribute, ...] = ("member",)
    member_uid_attribute: Attribute | None = None
    primary_groups: bool = False
