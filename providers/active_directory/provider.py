"""The provider type ``activedirectory``: users of an Active Directory domain."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from config.address_policy import ANY_ADDRESS, AddressPolicy
from providers.active_directory.groups import GROUP_SCHEME
from providers.active_directory.schema import USER_SCHEME, ActiveDirectorySchema
from providers.active_directory.settings import ActiveDirectorySettings
from providers.base import Provider, ProviderContext
from providers.ldap.directory_provider import DirectoryProvider


def active_directory_provider(
    name: str,
    settings: ActiveDirectorySettings,
    clock: Callable[[], float],
    addresses: AddressPolicy = ANY_ADDRESS,
) -> DirectoryProvider:
    """Return a provider that is called ``name``."""
    return DirectoryProvider(name, settings, ActiveDirectorySchema(settings), clock, addresses)


@dataclass(frozen=True, slots=True)
class ActiveDirectoryType:
    """The entry point ``activedirectory``."""

    settings_model: type[BaseModel] = ActiveDirectorySettings

    def schemes(self, name: str, settings: Any) -> tuple[str, ...]:
        """Return the schemes of principals. GUIDs are unique over all directories."""
        return (USER_SCHEME, GROUP_SCHEME)

    def create(self, name: str, settings: Any, context: ProviderContext) -> Provider:
        """Return a provider that is called ``name``."""
        return active_directory_provider(name, settings, context.clock, context.addresses)


PROVIDER = ActiveDirectoryType()
