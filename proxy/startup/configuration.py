"""Load the whole configuration: file, environment and the settings of each provider."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from config.errors import Problem
from config.files import resolve_files
from config.loading import Loaded, load
from config.problems import ConfigError, dotted, problems_of
from config.regular_files import read_regular_file
from config.server_settings import MetricsTlsSettings, TlsSettings
from config.settings import Settings, StoreSettings
from config.sign_in_settings import ProviderEntry
from config.trace_settings import TraceSettings
from providers.base import ProviderType
from providers.discovery import BrokenProviderType, ProviderEntryPoint, discover
from proxy.startup.tracing import trace_problem
from proxy.transport.server_pair import MAX_PEM_BYTES
from proxy.transport.server_tls import check_pair, read_ca
from store.encryption import Keyring
from store.errors import StoreError
from store.locations import locate


@dataclass(frozen=True, slots=True)
class ConfiguredProvider:
    """A provider of the configuration, with its validated settings."""

    name: str
    type: ProviderType
    settings: BaseModel
    entry: ProviderEntry


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A valid configuration.

    ``file`` is None if there is none; ``bare`` is True if the environment has no setting either.
    ``text`` is the content of the file.
    """

    settings: Settings
    providers: tuple[ConfiguredProvider, ...]
    file: str | None = None
    bare: bool = False
    text: str = field(default="", repr=False)


def load_config(
    named: str | None, environment: Mapping[str, str], *, kept: str | None = None
) -> LoadedConfig:
    """Load the configuration. ``kept`` is used in place of the file's content.

    Raises:
        ConfigError: the configuration has problems; the error has all of them.
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
    problems += _tls_problems(loaded, TlsSettings, "server")
    problems += _tls_problems(loaded, MetricsTlsSettings, "metrics")
    problems += _store_problems(loaded)
    problems += _trace_problems(loaded)
    if problems or loaded.settings is None:
        raise ConfigError(problems)
    return LoadedConfig(
        loaded.settings, tuple(providers), loaded.file, bare=not loaded.values, text=loaded.text
    )


def _configure(
    loaded: Loaded, position: int, entry: ProviderEntry, types: Mapping[str, ProviderEntryPoint]
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


def _tls_problems(
    loaded: Loaded, model: type[TlsSettings | MetricsTlsSettings], section: str
) -> list[Problem]:
    """Return problems of the TLS files: missing, unreadable, or not matching each other."""
    tls = loaded.section(model, section, "tls")
    if tls is None:
        return []
    problems = []
    for name in ("cert_file", "key_file", "ca_file"):
        file: Path | None = getattr(tls, name, None)
        if file is None:
            continue
        try:
            read_regular_file(file, MAX_PEM_BYTES)
        except OSError as exc:
            reason = (exc.strerror or "can't be read").lower()
            message = f"{file}: {reason}; correct the path or its mode"
            problems.append(_problem(loaded, (section, "tls", name), message))
    if problems:
        return problems
    if tls.cert_file is not None and tls.key_file is not None:
        check = partial(check_pair, tls.cert_file, tls.key_file)
        problems += _check_files(check, loaded, (section, "tls"))
    if isinstance(tls, TlsSettings) and tls.ca_file is not None:
        check_ca = partial(read_ca, tls.ca_file)
        problems += _check_files(check_ca, loaded, ("server", "tls", "ca_file"))
    return problems


def _store_problems(loaded: Loaded) -> list[Problem]:
    """Return problems of the store's settings. The store is not opened."""
    store = loaded.section(StoreSettings, "store")
    if store is None:
        return []
    problems = []
    try:
        locate(store.url or "sqlite:///sekisho.db")
    except StoreError as exc:
        message = str(exc).removeprefix("store.url").removeprefix(":").strip()
        problems.append(_problem(loaded, ("store", "url"), message))
    if store.encryption_keys is not None:
        try:
            Keyring.parse(store.encryption_keys.get_secret_value())
        except ValueError as exc:
            problems.append(_problem(loaded, ("store", "encryption_keys"), str(exc)))
    return problems


def _trace_problems(loaded: Loaded) -> list[Problem]:
    """Return problems of traces: the extra is missing, or the CA is no certificate."""
    traces = loaded.section(TraceSettings, "traces")
    found = trace_problem(traces) if traces is not None else None
    return [_problem(loaded, ("traces", found[0]), found[1])] if found is not None else []


def _check_files(
    check: Callable[[], object], loaded: Loaded, path: tuple[str | int, ...]
) -> list[Problem]:
    """Run a check of files, and return its problems at the line that names the files."""
    try:
        check()
    except ConfigError as exc:
        return [_problem(loaded, path, one.message) for one in exc.problems]
    return []


def _problem(loaded: Loaded, path: tuple[str | int, ...], message: str) -> Problem:
    return Problem(loaded.origins.place(path), dotted(path), message)
