"""The settings of the provider types ``openldap`` and ``freeipa``: one set, two defaults."""

from typing import Annotated, Literal

from pydantic import Field

from providers.ldap_settings import Attribute, DirectorySettings, Dn, Filter


class OpenLdapSettings(DirectorySettings):
    """How to find people and their groups in an LDAP directory; defaults for OpenLDAP's schemas."""

    base: Dn
    """The directory's suffix: ``dc=example,dc=com``."""

    user_base: Dn | None = None
    """Where people are; else ``base``."""

    group_base: Dn | None = None
    """Where groups are; else ``base``."""

    user_filter: Filter = "(|(objectClass=inetOrgPerson)(objectClass=posixAccount))"
    """Who may sign in, and is found."""

    group_filter: Filter = (
        "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup))"
    )
    """Which groups count."""

    key_attribute: Attribute = "entryUUID"
    """What never changes about a person or group, and is never used again: the principal's key."""

    username_attribute: Attribute = "uid"
    """What people type, and are called."""

    display_name_attribute: Attribute = "displayName"
    """What people are shown as; else ``cn``."""

    email_attribute: Attribute = "mail"
    """People's e-mail addresses."""

    group_name_attribute: Attribute = "cn"
    """What groups are called."""

    member_attributes: tuple[Attribute, ...] = ("member", "uniqueMember")
    """Attributes of groups that hold the DNs of members."""

    member_uid_attribute: Attribute | None = "memberUid"
    """The attribute of groups that holds the names of members (posixGroup); null for none."""

    primary_groups: bool = True
    """Whether a person's ``gidNumber`` makes them a member of the posixGroup that has it."""

    member_of_attribute: Attribute | None = None
    """The attribute of people and groups that names their groups (``memberOf``), where the server
    keeps one: then it is read, and ``member_attributes`` aren't searched for."""

    nested_groups: Literal["search", "none"] = "search"
    """Whether groups in groups are found, by a search (or reading) a level; circles do no harm."""

    search_attributes: Annotated[tuple[Attribute, ...], Field(min_length=1)] = (
        "uid",
        "cn",
        "sn",
        "mail",
    )
    """Where a search for people looks; a group is looked for by its name."""


class FreeIpaSettings(OpenLdapSettings):
    """The same with FreeIPA's defaults: its own keys, and ``memberOf``, which the server keeps."""

    user_filter: Filter = "(&(objectClass=person)(objectClass=posixAccount))"
    group_filter: Filter = "(objectClass=ipaUserGroup)"
    key_attribute: Attribute = "ipaUniqueID"
    member_of_attribute: Attribute | None = "memberOf"
    member_attributes: tuple[Attribute, ...] = ("member",)
    member_uid_attribute: Attribute | None = None
    primary_groups: bool = False
