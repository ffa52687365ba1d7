"""Settings that name files: ``…_file`` for secrets, and paths relative to the config file."""

from pathlib import Path as FilePath
from typing import Any, get_args

from pydantic import BaseModel, SecretStr

from config.errors import Problem
from config.problems import Origins, Path, dotted
from config.regular_files import FileTooLarge, NotRegular, read_regular_file

MAX_SECRET_BYTES = 64 * 1024


def resolve_files(
    values: dict[str, Any],
    model: type[BaseModel],
    origins: Origins,
    base: FilePath,
    at: Path = (),
) -> list[Problem]:
    """Read ``<field>_file`` for every secret field of ``model``, and make paths absolute.

    Relative paths are relative to ``base``, the folder of the config file. Paths from the
    environment are relative to the working directory. Changes ``values`` in place and returns the
    problems.
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
        return [Problem(origins.place(path), dotted(path), f"and {name} are both set; set one")]
    if not isinstance(given, str) or not given:
        return [Problem(origins.place(path), dotted(path), "must be the path of a file")]
    text = read_text(_absolute(given, base, origins.place(path)), regular=True)
    if isinstance(text, ReadFailure):
        return [Problem(origins.place(path), dotted(path), text.message)]
    values[name] = text.strip()
    origins.places[(*at, name)] = origins.place(path)
    return []


class ReadFailure:
    """The reason why a file cannot be read."""

    def __init__(self, message: str) -> None:
        self.message = message


def read_text(file: FilePath, *, regular: bool = False) -> str | ReadFailure:
    """Return the text of a small file.

    ``regular``: reject everything but regular files, because a pipe without a writer would block
    each start. A configuration may be read from a pipe: the operator names it on the command line
    and sees it wait.
    """
    try:
        if regular:
            content = read_regular_file(file, MAX_SECRET_BYTES)
        else:
            with file.open("rb") as stream:
                content = stream.read(MAX_SECRET_BYTES + 1)
    except FileNotFoundError:
        return ReadFailure(f"the file {file} does not exist; create it or correct the path")
    except PermissionError:
        return ReadFailure(f"this user cannot read the file {file}; change its permissions")
    except (NotRegular, FileTooLarge) as exc:
        return ReadFailure(f"the file {file} {exc.strerror}")
    except OSError as exc:
        return ReadFailure(f"the file {file} cannot be read: {exc.strerror}")
    if len(content) > MAX_SECRET_BYTES:
        return ReadFailure(f"the file {file} is larger than {MAX_SECRET_BYTES // 1024} KiB")
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
