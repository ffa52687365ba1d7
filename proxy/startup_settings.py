"""The whole configuration: the file, the environment, and every provider's own settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from config.files import resolve_files
from config.loading import Loaded, load
from config.problems import ConfigError, Problem, dotted, problems_of
from config.settings import ProviderEntry, Settings
from providers.base import ProviderType
from providers.registry import BrokenProviderType, Found, discover


@dataclass(frozen=True, slots=True)
class ConfiguredProvider:
    """A provider of the configuration, ready to be created."""

    name: str
    type: ProviderType
    settings: BaseModel


@dataclass(frozen=True, slots=True)
class Everything:
    """A configuration without a problem."""

    settings: Settings
    providers: tuple[ConfiguredProvider, ...]


def load_everything(named: str | None, environment: Mapping[str, str]) -> Everything:
    """Read it all. Raises ConfigError with every problem there is."""
    loaded = load(named, environment)
    problems = list(loaded.problems)
    providers: list[ConfiguredProvider] = []
    if loaded.settings is not None:
        types = discover()
        for position, entry in enumerate(loaded.settings.providers):
            configured = _configure(loaded, position, entry, types)
            if isinstance(configured, ConfiguredProvider):
                providers.append(configured)
            else:
                problems += configured
        problems += _missing_files(loaded, loaded.settings)
    if problems or loaded.settings is None:
        raise ConfigError(problems)
    return Everything(loaded.settings, tuple(providers))


def _configure(
    loaded: Loaded, position: int, entry: ProviderEntry, types: Mapping[str, Found]
) -> ConfiguredProvider | list[Problem]:
    at = ("providers", position)
    found = types.get(entry.type)
    if found is None:
        known = ", ".join(sorted(types))
        return [_problem(loaded, (*at, "type"), f"{entry.type!r} is not installed; known: {known}")]
    try:
        kind = found.load()
    except BrokenProviderType as exc:
        return [_problem(loaded, (*at, "type"), str(exc))]
    options: dict[str, Any] = entry.options
    problems = resolve_files(options, kind.settings_model, loaded.origins, loaded.base, at)
    try:
        settings = kind.settings_model.model_validate(options)
    except ValidationError as exc:
        return [*problems, *problems_of(exc, kind.settings_model, loaded.origins, at)]
    return problems or ConfiguredProvider(entry.name, kind, settings)


def _missing_files(loaded: Loaded, settings: Settings) -> list[Problem]:
    """Files that TLS needs and that aren't there or can't be read."""
    problems = []
    for name in ("cert_file", "key_file", "ca_file"):
        file: Path | None = getattr(settings.server.tls, name)
        if file is None:
            continue
        path = ("server", "tls", name)
        try:
            file.read_bytes()
        except OSError as exc:
            said = (exc.strerror or "can't be read").lower()
            problems.append(_problem(loaded, path, f"{file}: {said}; mend the path or its mode"))
    return problems


def _problem(loaded: Loaded, path: tuple[str | int, ...], message: str) -> Problem:
    return Problem(loaded.origins.place(path), dotted(path), message)
