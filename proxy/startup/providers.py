"""Create the registry of identity providers from the configuration."""

import time

from management.identity.local_passwords import StoredAccounts
from management.identity.provider_instance import ProviderSpec
from management.identity.provider_registry import ProviderRegistry
from management.identity.sign_in_policy import AccessRule
from providers.base import ProviderContext
from providers.discovery import discover
from providers.throttle import Limits
from proxy.startup.configuration import LoadedConfig
from store.interfaces import Store


def create_provider_registry(loaded: LoadedConfig, store: Store) -> ProviderRegistry:
    """Return all configured providers, not started, with throttling where they take passwords."""
    login = loaded.settings.login
    limits = Limits(
        login.attempts_per_user, login.attempts_per_address, login.window.total_seconds()
    )
    context = ProviderContext(StoredAccounts(store), time.monotonic)
    return ProviderRegistry(store, configured_specs(loaded), context, limits, discover())


def configured_specs(loaded: LoadedConfig) -> list[ProviderSpec]:
    """Return the specs of the providers in the configuration."""
    return [
        ProviderSpec(
            one.name,
            one.entry.type,
            one.type,
            one.settings,
            one.entry.enabled,
            AccessRule(one.entry.access_mode, frozenset(one.entry.allowed_principals)),
        )
        for one in loaded.providers
    ]
