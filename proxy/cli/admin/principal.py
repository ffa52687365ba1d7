"""Providers of the configuration and of the store, and the owners of principals."""

import os
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from proxy.cli.common import CommandFailed
from store.interfaces import Store


@dataclass(frozen=True, slots=True)
class KnownProvider:
    """A provider of the configuration, or one added over the API."""

    name: str
    type_name: str
    declared: tuple[str, ...]
    settings: BaseModel
    accounts_of_the_store: bool
    origin: str

    @property
    def backend(self) -> dict[str, Any]:
        """Return the settings that identify its issuer or directory."""
        from providers.settings.effects import backend_of

        return backend_of(self.type_name, self.settings)


async def known_providers(store: Store, config_file: str | None) -> list[KnownProvider]:
    """Return all providers, first those of the configuration."""
    from pydantic import ValidationError

    from providers.discovery import BrokenProviderType, discover
    from proxy.startup.configuration import load_config

    found = [
        _known(one.name, one.entry.type, one.type, one.settings, "config")
        for one in load_config(config_file, os.environ).providers
    ]
    configured, types = {one.name for one in found}, discover()
    for stored in await store.providers.list_all():
        if stored.name in configured or stored.type not in types or stored.unreadable:
            continue
        try:
            kind = types[stored.type].load()
            settings = kind.settings_model.model_validate(dict(stored.settings))
        except (BrokenProviderType, ValidationError):
            continue  # the server reports it when it starts
        found.append(_known(stored.name, stored.type, kind, settings, "store"))
    return found


def _known(name: str, type_name: str, kind: Any, settings: BaseModel, origin: str) -> KnownProvider:
    accounts = getattr(kind, "accounts_of_the_store", False)
    return KnownProvider(name, type_name, kind.schemes(name, settings), settings, accounts, origin)


async def owned_principal(
    store: Store, config_file: str | None, principal_id: str, provider: str | None
) -> tuple[str, str]:
    """Return the provider that owns a principal, and its id in Sekisho.

    ``principal_id`` has the scheme that Sekisho shows, or the one that the provider's type
    declares.

    Raises:
        CommandFailed: no provider owns the principal, or several may.
    """
    scheme, separator, key = principal_id.partition("://")
    if not separator or not key:
        raise CommandFailed(f'"{principal_id}" is not a principal; write it like github_user://42')
    names = await _scheme_names(store, config_file)
    if provider is not None:
        if provider not in names:
            raise CommandFailed(
                f"provider {provider} doesn't exist; see `sekisho admin provider list`"
            )
        names = {provider: names[provider]}
    found = {
        name: f"{owned}://{key}"
        for name, schemes in names.items()
        for declared, owned in schemes.items()
        if scheme in {declared, owned}
    }
    if not found:
        known = ", ".join(sorted({one for mine in names.values() for one in mine.values()}))
        raise CommandFailed(f'no provider has principals "{scheme}://…"; known: {known}')
    if len(found) > 1:
        candidates = ", ".join(f"{one} at {name}" for name, one in sorted(found.items()))
        raise CommandFailed(
            f"several providers may own it; choose one with --provider: {candidates}"
        )
    return next(iter(found.items()))


async def _scheme_names(store: Store, config_file: str | None) -> dict[str, dict[str, str]]:
    """Return the schemes that each provider owns, keyed by the schemes that its type declares.

    A provider that the server has never started gets its schemes here.
    """
    from store.claim_records import LOCAL, BackendChanged

    names: dict[str, dict[str, str]] = {}
    for one in await known_providers(store, config_file):
        if one.accounts_of_the_store:
            names[one.name] = {LOCAL: LOCAL}
            continue
        try:
            claim = await store.claims.claim(one.name, one.backend, one.declared)
        except BackendChanged:
            # It keeps its principals, but they cannot sign in until an operator confirms.
            known = await store.claims.get(one.name)
            names[one.name] = dict(known.schemes) if known is not None else {}
            continue
        names[one.name] = {declared: claim.schemes[declared] for declared in one.declared}
    for stored in await store.providers.list_all():
        # A provider that cannot be used keeps its principals.
        kept = None if stored.name in names else await store.claims.get(stored.name)
        if kept is not None:
            names[stored.name] = dict(kept.schemes)
    return names
