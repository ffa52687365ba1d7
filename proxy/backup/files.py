"""The files of a backup: the CA in the data directory, and the configuration.

A file's *root* says where its path begins: ``data`` (the data directory), ``configuration`` (the
folder of the configuration file), or ``absolute``. ``main`` is the configuration file itself.
"""

import base64
import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from config.errors import UserError
from config.regular_files import read_regular_file

Root = Literal["data", "main", "configuration", "absolute"]
MAX_FILE = 1024 * 1024
ENVIRONMENT_FILE = "sekisho.env"
"""The settings of the environment, as lines for systemd's ``EnvironmentFile=``."""

_LEFT_OUT = (
    "SEKISHO_CONFIG",
    "SEKISHO_CACHE",
    "SEKISHO_TOKEN",
    "SEKISHO_MIGRATE",
    "SEKISHO_BACKUP",
)
"""Variables that are no settings of the server, and how this backup is encrypted."""


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A file. It is restored with mode 0600."""

    root: Root
    path: str
    content: bytes = field(repr=False)

    def record(self) -> dict[str, Any]:
        """Return the record for the backup."""
        content = base64.b64encode(self.content).decode("ascii")
        return {
            "kind": "file",
            "root": self.root,
            "path": self.path,
            "content": content,
        }

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "SavedFile":
        """Return the file in a record. Raises UserError if its path leads out of its root."""
        path = PurePosixPath(record["path"])
        outside = ".." in path.parts or path.is_absolute() != (record["root"] == "absolute")
        if outside or record["root"] not in {"data", "main", "configuration", "absolute"}:
            raise UserError(f"the backup has a file with an invalid path: {path}")
        content = base64.b64decode(record["content"], validate=True)
        return cls(record["root"], str(path), content)


def data_files(data_dir: Path) -> Iterator[SavedFile]:
    """Yield the CA and the server's certificate, with their keys. Raises OSError."""
    folder = data_dir / "tls"
    for file in sorted(folder.iterdir()) if folder.is_dir() else ():
        if file.is_file() and not file.name.startswith("."):
            yield _saved("data", f"tls/{file.name}", file)


def configuration_files(
    file: Path | None, values: Any, environment: Mapping[str, str]
) -> Iterator[SavedFile]:
    """Yield the configuration file, files that it names, and the environment's settings.

    ``values`` is the content of the configuration file: each text whose name ends in ``_file``
    names a file. Raises OSError if one can't be read.
    """
    variables = "".join(
        f'{name}="{_escaped(value)}"\n'
        for name, value in sorted(environment.items())
        if name.startswith("SEKISHO_") and not name.startswith(_LEFT_OUT)
    )
    if variables:
        yield SavedFile("configuration", ENVIRONMENT_FILE, variables.encode())
    named = set(_named_files(values))
    if file is not None:
        yield _saved("main", file.name, file)
    named |= {
        str(Path(value).absolute())
        for name, value in environment.items()
        if name.startswith("SEKISHO_") and not name.startswith(_LEFT_OUT) and name.endswith("_FILE")
    }
    folder = file.parent if file is not None else Path.cwd()
    for name in sorted(named):
        path = Path(name).expanduser()
        if path.is_absolute() or ".." in path.parts:
            yield _saved("absolute", os.path.normpath(folder / path), folder / path)
        else:
            yield _saved("configuration", path.as_posix(), folder / path)


def parsed_environment(content: bytes) -> dict[str, str]:
    """Return the variables in the content of ENVIRONMENT_FILE."""
    pairs = (one.partition("=") for one in shlex.split(content.decode()))
    return {name: value for name, _, value in pairs}


def _named_files(values: Any) -> Iterator[str]:
    if isinstance(values, dict):
        for name, value in values.items():
            if isinstance(value, str) and str(name).endswith("_file") and value:
                yield value
            else:
                yield from _named_files(value)
    elif isinstance(values, list):
        for one in values:
            yield from _named_files(one)


def _saved(root: Root, path: str, file: Path) -> SavedFile:
    return SavedFile(root, path, read_regular_file(file, MAX_FILE))


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
