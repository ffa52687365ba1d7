"""Look up distinguished names in the directories of Sekisho's configuration."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from management.identity.provider_instance import ProviderSpec
from management.identity.provider_registry import ProviderRegistry
from providers.base import ProviderUnavailable
from providers.ldap.directory_provider import DirectoryProvider
from proxy.cli.admin.database import offline_store
from proxy.cli.admin.principal import owned_principal
from proxy.cli.common import CommandFailed, warn
from proxy.cli.rancher.principals import BY_NAME, Translations
from proxy.startup.configuration import load_config
from proxy.startup.providers import configured_specs, create_provider_registry


async def look_up_names(config_file: str | None, translations: Translations) -> None:
    """Add the principals of wanted distinguished names that a configured directory has.

    Raises CommandFailed if a directory does not respond.
    """
    async with offline_store(config_file) as (_, store):
        loaded = load_config(config_file, os.environ)
        registry = create_provider_registry(loaded, store)
        for spec in configured_specs(loaded):
            wanted = [one for one in translations.wanted if _may_have(spec, one)]
            if not wanted:
                continue
            async with _directory(registry, spec) as directory:
                for principal in wanted if directory is not None else ():
                    found = await _named(directory, principal)
                    if found is not None:
                        _, owned = await owned_principal(store, config_file, found, spec.name)
                        translations.principals[principal] = owned
    for principal in translations.principals:
        translations.wanted.pop(principal, None)


def _may_have(spec: ProviderSpec, principal: str) -> bool:
    scheme = principal.partition("://")[0]
    return scheme in BY_NAME and scheme.partition("_")[0] == spec.type_name


@asynccontextmanager
async def _directory(
    registry: ProviderRegistry, spec: ProviderSpec
) -> AsyncIterator[DirectoryProvider | None]:
    provider = await registry.create_for_test(spec)
    try:
        if isinstance(provider, DirectoryProvider):
            try:
                await provider.check()
            except ProviderUnavailable as exc:
                raise CommandFailed(f"provider {spec.name}: {exc}") from exc
        yield provider if isinstance(provider, DirectoryProvider) else None
    finally:
        await provider.close()


async def _named(directory: DirectoryProvider | None, principal: str) -> str | None:
    assert directory is not None
    scheme, _, dn = principal.partition("://")
    try:
        found = await directory.named(dn)
    except ProviderUnavailable as exc:
        warn(f"{principal} was not found: {exc}")
        return None
    if found is None or not scheme.endswith(f"_{found.kind}"):
        return None
    return found.principal_id
