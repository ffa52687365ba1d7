"""A principal that an administrator names before anybody has signed in as it."""

import os
from collections.abc import Mapping

from proxy.cli.common import Failed
from store.interfaces import Store


async def provider_of(store: Store, config_file: str | None, principal_id: str) -> str:
    """The one provider whose people have such principals. Raises Failed."""
    scheme, separator, key = principal_id.partition("://")
    if not separator or not key:
        raise Failed(f'"{principal_id}" is not a principal; write it like github_user://42')
    schemes = await _schemes(store, config_file)
    found = sorted(name for name, mine in schemes.items() if scheme in mine)
    if not found:
        known = ", ".join(sorted({one for mine in schemes.values() for one in mine}))
        raise Failed(f'no provider has principals "{scheme}://…"; there are: {known}')
    if len(found) > 1:
        raise Failed(f"say whose principal it is, with --provider: {', '.join(found)}")
    return found[0]


async def _schemes(store: Store, config_file: str | None) -> Mapping[str, tuple[str, ...]]:
    """Those of every provider, of the configuration and of the store, by name."""
    from providers.registry import discover
    from proxy.startup_settings import load_everything

    configured = load_everything(config_file, os.environ).providers
    schemes = {one.entry.name: one.type.schemes(one.entry.name, one.settings) for one in configured}
    types = discover()
    for stored in await store.providers.list_all():
        if stored.name not in schemes and stored.type in types:
            kind = types[stored.type].load()
            settings = kind.settings_model.model_validate(dict(stored.settings))
            schemes[stored.name] = kind.schemes(stored.name, settings)
    return schemes
