"""The settings of the provider type ``activedirectory``."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from config.text_patterns import described
from providers.ldap.directory_settings import Attribute, DirectorySettings, Dn, Filter
from providers.settings.effects import Effect

_DOMAIN = described(
    r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$", "a DNS name, such as corp.example.com"
)


class ActiveDirectorySettings(DirectorySettings):
    """Users and groups of a domain."""

    EFFECTS: ClassVar = {
        "domain": Effect.MEANING | Effect.BACKEND,
        "short_domain": Effect.MEANING,
        "user_base": Effect.MEANING,
        "group_base": Effect.MEANING,
        "user_filter": Effect.MEANING,
        "group_filter": Effect.MEANING,
        "username_attribute": Effect.MEANING,
        "principal_name_attribute": Effect.MEANING,
        "display_name_attribute": Effect.NONE,
        "email_attribute": Effect.NONE,
        "group_name_attribute": Effect.MEANING,
        "search_attributes": Effect.NONE,
        "nested_groups": Effect.MEANING,
    }

    domain: Annotated[str, Field(pattern=_DOMAIN)]
    """The domain's DNS name: ``corp.example.test``."""

    short_domain: str | None = None
    """The NetBIOS name, as in ``CORP\\alice``. Default: the first label of ``domain``."""

    user_base: Dn | None = None
    """The search base of users. Default: the whole domain."""

    group_base: Dn | None = None
    """The search base of groups. Default: the whole domain."""

    user_filter: Filter = "(&(objectCategory=person)(objectClass=user))"
    """The users who may sign in, and whom a search finds."""

    group_filter: Filter = "(objectClass=group)"
    """The groups that count. Membership through other groups counts as well."""

    username_attribute: Attribute = "sAMAccountName"
    """The login name and user name."""

    principal_name_attribute: Attribute = "userPrincipalName"
    """The login name with an ``@``."""

    display_name_attribute: Attribute = "displayName"
    """The display name of users."""

    email_attribute: Attribute = "mail"
    """The e-mail address of users."""

    group_name_attribute: Attribute = "sAMAccountName"
    """The name of groups."""

    search_attributes: Annotated[tuple[Attribute, ...], Field(min_length=1)] = (
        "sAMAccountName",
        "userPrincipalName",
        "displayName",
        "sn",
    )
    """The attributes in which a search for users looks. Groups are found by name and ``cn``."""

    nested_groups: Literal["in_chain", "token_groups", "none"] = "in_chain"
    """How nested groups are found: by the matching rule that follows ``member``; from the
    ``tokenGroups`` of the domain controller (security groups only); or not at all."""

    @model_validator(mode="after")
    def _service_account_is_there(self) -> Self:
        if not self.bind_dn:
            raise ValueError("bind_dn is missing: Active Directory allows no anonymous search")
        return self

    @property
    def domain_dn(self) -> str:
        """``DC=corp,DC=example,DC=test``."""
        return ",".join(f"DC={label}" for label in self.domain.split("."))

    @property
    def netbios(self) -> str:
        """The domain's NetBIOS name."""
        return self.short_domain or self.domain.partition(".")[0]
