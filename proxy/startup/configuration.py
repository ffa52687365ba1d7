"""The whole configuration: the file, the environment, and every provider's own settings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from config.files import resolve_files
from config.loading import Loaded, load
from config.problems import ConfigError, Problem, dotted, problems_of
from config.settings import ProviderEntry, Settings, StoreSettings, TlsSettings
from providers.base import ProviderType
from providers.registry import BrokenProviderType, Found, discover
from proxy.server_tls import check_pair, read_ca
from store.encryption import Keyring
from store.interfaces import StoreError
from store.locations import locate


@dataclass(frozen=True, slots=True)
class ConfiguredProvider:
    """A provider of the configuration, ready to be created."""

    name: str
    type: ProviderType
    settings: BaseModel
    entry: ProviderEntry


@dataclass(frozen=True, slots=True)
class Everything:
    """A configuration without a problem.

    ``file`` is None where there is none; ``bare`` is True where the environment is silent, too.
    ``text`` is what was in the file.
    """

    settings: Settings
    providers: tuple[ConfiguredProvider, ...]
    file: str | None = None
    bare: bool = False
    text: str = field(default="", repr=False)


def load_everything(
    named: str | None, environment: Mapping[str, str], *, kept: str | None = None
) -> Everything:
    """Read it all, but the file where its text was ``kept``.

    Raises ConfigError with every problem there is.
    """
    loaded = load(named, environment, kept=kept)
    problems = list(loaded.problems)
    providers: list[ConfiguredProvider] = []
    types = discover()
    for position, entry in loaded.providers:
        configured = _configure(loaded, position, entry, types)
        if isinstance(configured, ConfiguredProvider):
            providers.append(configured)
        else:
            problems += configured
    problems += _tls_problems(loaded)
    problems += _store_problems(loaded)
    if problems or loaded.settings is None:
        raise ConfigError(problems)
    return Everything(
        loaded.settings, tuple(providers), loaded.file, bare=not loaded.values, text=loaded.text
    )


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
    return problems or ConfiguredProvider(entry.name, kind, settings, entry)


def _tls_problems(loaded: Loaded) -> list[Problem]:
    """Files that TLS needs and that aren't there, can't be read, or don't fit each other."""
    tls = loaded.section(TlsSettings, "server", "tls")
    if tls is None:
        return []
    problems = []
    for name in ("cert_file", "key_file", "ca_file"):
        file: Path | None = getattr(tls, name)
        if file is None:
            continue
        try:
            with file.open("rb") as stream:
                stream.read(1)
        except OSError as exc:
            said = (exc.strerror or "can't be read").lower()
            said = f"{file}: {said}; mend the path or its mode"
            problems.append(_problem(loaded, ("server", "tls", name), said))
    if problems:
        return problems
    if tls.cert_file is not None and tls.key_file is not None:
        check = partial(check_pair, tls.cert_file, tls.key_file)
        problems += _said_by(check, loaded, ("server", "tls"))
    if tls.ca_file is not None:
        check_ca = partial(read_ca, tls.ca_file)
        problems += _said_by(check_ca, loaded, ("server", "tls", "ca_file"))
    return problems


def _store_problems(loaded: Loaded) -> list[Problem]:
    """What is wrong with the store's settings, without touching the store."""
    store = loaded.section(StoreSettings, "store")
    if store is None:
        return []
    problems = []
    try:
        locate(store.url or "sqlite:///sekisho.db")
    except StoreError as exc:
        said = str(exc).removeprefix("store.url").removeprefix(":").strip()
        problems.append(_problem(loaded, ("store", "url"), said))
    if store.encryption_keys is not None:
        try:
            Keyring.parse(store.encryption_keys.get_secret_value())
        except ValueError as exc:
            problems.append(_problem(loaded, ("store", "encryption_keys"), str(exc)))
    return problems


def _said_by(
    check: Callable[[], object], loaded: Loaded, path: tuple[str | int, ...]
) -> list[Problem]:
    """What a check of files says, told of the line that names them."""
    try:
        check()
    except ConfigError as exc:
        return [_problem(loaded, path, one.message) for one in exc.problems]
    return []


def _problem(loaded: Loaded, path: tuple[str | int, ...], message: str) -> Problem:
    return Problem(loaded.origins.place(path), dotted(path), message)
