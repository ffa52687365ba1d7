"""The provider types ``openldap`` and ``freeipa``.

They share one implementation and differ in default settings and in the schemes of principals.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from config.address_policy import ANY_ADDRESS, AddressPolicy
from providers.base import Provider, ProviderContext
from providers.ldap.directory_provider import DirectoryProvider
from providers.ldap.schema import LdapSchema
from providers.ldap.settings import FreeIpaSettings, OpenLdapSettings


def ldap_provider(
    name: str,
    kind: str,
    settings: OpenLdapSettings,
    clock: Callable[[], float],
    addresses: AddressPolicy = ANY_ADDRESS,
) -> DirectoryProvider:
    """Return a provider of the type ``kind`` that is called ``name``."""
    return DirectoryProvider(name, settings, LdapSchema(kind, settings), clock, addresses)


@dataclass(frozen=True, slots=True)
class LdapType:
    """The entry points ``openldap`` and ``freeipa``; ``kind`` begins the schemes."""

    kind: str
    settings_model: type[BaseModel]

    def schemes(self, name: str, settings: Any) -> tuple[str, ...]:
        """Return the schemes of principals. UUIDs are unique over all directories."""
        return (f"{self.kind}_user", f"{self.kind}_group")

    def create(self, name: str, settings: Any, context: ProviderContext) -> Provider:
        """Return a provider that is called ``name``."""
        return ldap_provider(name, self.kind, settings, context.clock, context.addresses)


OPENLDAP = LdapType("openldap", OpenLdapSettings)
FREEIPA = LdapType("freeipa", FreeIpaSettings)
