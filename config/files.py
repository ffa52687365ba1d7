"""Values that are, or stand in, files: ``…_file`` for secrets, and paths relative to the config."""

from pathlib import Path as FilePath
from typing import Any, get_args

from pydantic import BaseModel, SecretStr

from config.problems import Origins, Path, Problem, dotted

MAX_SECRET_BYTES = 64 * 1024


def resolve_files(
    values: dict[str, Any],
    model: type[BaseModel],
    origins: Origins,
    base: FilePath,
    at: Path = (),
) -> list[Problem]:
    """Read ``<field>_file`` for every secret field of ``model``, and make paths absolute.

    Relative paths are relative to ``base``, the folder of the config file; those that came from the
    environment stay relative to the working directory. Changes ``values`` in place; what is wrong
    is returned.
    """
    problems: list[Problem] = []
    for name, field in model.model_fields.items():
        path = (*at, name)
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            if isinstance(values.get(name), dict):
                problems += resolve_files(values[name], annotation, origins, base, path)
        elif _is(annotation, SecretStr):
            problems += _secret(values, name, origins, base, at)
        elif _is(annotation, FilePath) and isinstance(values.get(name), str):
            values[name] = str(_absolute(values[name], base, origins.place(path)))
    return problems


def _secret(
    values: dict[str, Any], name: str, origins: Origins, base: FilePath, at: Path
) -> list[Problem]:
    file_name = f"{name}_file"
    if file_name not in values:
        return []
    path = (*at, file_name)
    given = values.pop(file_name)
    if values.get(name) is not None:
        return [Problem(origins.place(path), dotted(path), f"and {name} are both given; give one")]
    if not isinstance(given, str) or not given:
        return [Problem(origins.place(path), dotted(path), "must be a file's path")]
    text = read_text(_absolute(given, base, origins.place(path)))
    if isinstance(text, ReadFailure):
        return [Problem(origins.place(path), dotted(path), text.message)]
    values[name] = text.strip()
    origins.places[(*at, name)] = origins.place(path)
    return []


class ReadFailure:
    """Why a file can't be read."""

    def __init__(self, message: str) -> None:
        self.message = message


def read_text(file: FilePath) -> str | ReadFailure:
    """The text of a small file."""
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_SECRET_BYTES + 1)
    except FileNotFoundError:
        return ReadFailure(f"the file {file} doesn't exist; create it or mend the path")
    except PermissionError:
        return ReadFailure(f"the file {file} can't be read by this user; mend its permissions")
    except OSError as exc:
        return ReadFailure(f"the file {file} can't be read: {exc.strerror}")
    if len(content) > MAX_SECRET_BYTES:
        return ReadFailure(f"the file {file} is over {MAX_SECRET_BYTES // 1024} KiB")
    try:
        return content.decode()
    except UnicodeDecodeError:
        return ReadFailure(f"the file {file} is not text")


def _absolute(text: str, base: FilePath, place: str) -> FilePath:
    path = FilePath(text).expanduser()
    if path.is_absolute():
        return path
    return (FilePath.cwd() if place.startswith("environment variable") else base) / path


def _is(annotation: Any, kind: type) -> bool:
    return annotation is kind or kind in get_args(annotation)
