"""Load settings from a file and the environment, or return every problem at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from config.environment import overlay
from config.errors import Problem
from config.files import ReadFailure, read_text, resolve_files
from config.problems import ConfigError, Origins, problems_of
from config.renamed_settings import reject_renamed
from config.settings import Settings
from config.sign_in_settings import ProviderEntry
from config.yaml_file import read_yaml

DEFAULT_FILE = "sekisho.yaml"

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, the origin of each value, and the base folder of relative paths.

    ``settings`` is None if ``problems`` make the whole invalid. :meth:`section` and
    :attr:`providers` then return the valid parts, so that a caller can check those as well.
    """

    settings: Settings | None
    origins: Origins
    base: Path
    problems: tuple[Problem, ...]
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)
    file: str | None = None
    """The file that was read; None if none was given and the working directory has none."""
    text: str = field(default="", repr=False)
    """The content of that file."""

    def section(self, model: type[M], *path: str) -> M | None:
        """Return the section at ``path`` if it is valid by itself, else None."""
        values: Any = self.values
        for part in path:
            values = values.get(part, {}) if isinstance(values, dict) else None
        return _valid(model, values)

    @property
    def providers(self) -> list[tuple[int, ProviderEntry]]:
        """The providers that are valid by themselves, with their positions in the list."""
        if self.settings is not None:
            return list(enumerate(self.settings.providers))
        listed = self.values.get("providers")
        entries = [
            (position, _valid(ProviderEntry, values))
            for position, values in enumerate(listed if isinstance(listed, list) else [])
        ]
        return [(position, entry) for position, entry in entries if entry is not None]


def load(named: str | None, environment: Mapping[str, str], *, kept: str | None = None) -> Loaded:
    """Read ``named``, else ``$SEKISHO_CONFIG``, else ``./sekisho.yaml`` if it exists.

    ``kept`` is the file's text from an earlier load: the file is then not read again. Never raises:
    a caller may add problems (providers' options).
    """
    chosen = named or environment.get("SEKISHO_CONFIG")
    file = Path(chosen or DEFAULT_FILE)
    base = file.parent if file.parent.is_absolute() else Path.cwd() / file.parent
    values: dict[str, Any] = {}
    origins = Origins(str(file), {})
    problems: list[Problem] = []
    text = ""
    read = str(file) if chosen or kept or file.exists() else None
    if read is not None:
        found = read_text(file) if kept is None else kept
        if isinstance(found, ReadFailure):
            return Loaded(None, origins, base, (Problem("", "", found.message),))
        text = found
        values, origins, problems = read_yaml(text, str(file))
    _drop_empty(values, Settings)
    problems += overlay(values, environment, origins)
    problems += reject_renamed(values, origins)
    problems += resolve_files(values, Settings, origins, base)
    _resolve_sqlite(values, base, origins)
    try:
        settings = Settings.model_validate(_with_defaults(values, base))
    except ValidationError as exc:
        problems += problems_of(exc, Settings, origins)
        return Loaded(None, origins, base, tuple(problems), values, read, text)
    return Loaded(settings, origins, base, tuple(problems), values, read, text)


def settings_or_raise(loaded: Loaded) -> Settings:
    """Return the settings. Raises ConfigError with every problem."""
    if loaded.problems or loaded.settings is None:
        raise ConfigError(loaded.problems)
    return loaded.settings


def _valid(model: type[M], values: Any) -> M | None:
    try:
        return model.model_validate(values)
    except ValidationError:
        return None


def _drop_empty(values: dict[str, Any], model: type[BaseModel]) -> None:
    """Remove empty sections, such as one whose lines are all commented out."""
    for name, info in model.model_fields.items():
        annotation = info.annotation
        if name not in values or not (
            isinstance(annotation, type) and issubclass(annotation, BaseModel)
        ):
            continue
        if values[name] is None:
            del values[name]
        elif isinstance(values[name], dict):
            _drop_empty(values[name], annotation)


def _with_defaults(values: dict[str, Any], base: Path) -> dict[str, Any]:
    """Add the only default that is a path: it is relative to the config file, too."""
    return {"data_dir": str(base / "sekisho-data")} | values


def _resolve_sqlite(values: dict[str, Any], base: Path, origins: Origins) -> None:
    """Make a relative SQLite file relative to the config file, like every other path."""
    store = values.get("store")
    url = store.get("url") if isinstance(store, dict) else None
    prefix = "sqlite:///"
    if not isinstance(url, str) or not url.startswith(prefix) or url.startswith(prefix + "/"):
        return
    if origins.place(("store", "url")).startswith("environment variable"):
        base = Path.cwd()
    if url != prefix and isinstance(store, dict):
        store["url"] = f"{prefix}{base / url.removeprefix(prefix)}"
