"""The settings of the provider type ``activedirectory``."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from providers.ldap_settings import Attribute, DirectorySettings, Dn, Filter


class ActiveDirectorySettings(DirectorySettings):
    """How to find people and their groups in a domain."""

    domain: Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$")]
    """The domain's DNS name: ``corp.example.test``."""

    short_domain: str | None = None
    """Its NetBIOS name, as in ``CORP\\alice``; else the first label of ``domain``."""

    user_base: Dn | None = None
    """Where people are; else the whole domain."""

    group_base: Dn | None = None
    """Where groups are; else the whole domain."""

    user_filter: Filter = "(&(objectCategory=person)(objectClass=user))"
    """Who may sign in, and is found."""

    group_filter: Filter = "(objectClass=group)"
    """Which groups count. Others are left out, and still lead to those that count."""

    username_attribute: Attribute = "sAMAccountName"
    """What people type, and are called."""

    principal_name_attribute: Attribute = "userPrincipalName"
    """What people type with an ``@`` in it."""

    display_name_attribute: Attribute = "displayName"
    """What people are shown as."""

    email_attribute: Attribute = "mail"
    """People's e-mail addresses."""

    group_name_attribute: Attribute = "sAMAccountName"
    """What groups are called."""

    search_attributes: Annotated[tuple[Attribute, ...], Field(min_length=1)] = (
        "sAMAccountName",
        "userPrincipalName",
        "displayName",
        "sn",
    )
    """Where a search for people looks; a group is looked for by its name and ``cn``."""

    nested_groups: Literal["in_chain", "token_groups", "none"] = "in_chain"
    """How groups in groups are found: by the matching rule that follows ``member``; from the
    ``tokenGroups`` that the domain controller computes (security groups only); or not at all."""

    @model_validator(mode="after")
    def _service_account_is_there(self) -> Self:
        if not self.bind_dn:
            raise ValueError("bind_dn is missing: Active Directory lets nobody search anonymously")
        return self

    @property
    def domain_dn(self) -> str:
        """``DC=corp,DC=example,DC=test``."""
        return ",".join(f"DC={label}" for label in self.domain.split("."))

    @property
    def netbios(self) -> str:
        """The domain's NetBIOS name."""
        return self.short_domain or self.domain.partition(".")[0]
