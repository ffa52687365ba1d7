"""Read the files that ``-f`` names: a file, a directory with all below it, or standard input."""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from config.bounded_yaml import MAX_BYTES
from config.errors import Problem
from proxy.cli.apply.documents import InvalidDocuments, Source

SUFFIXES = (".yaml", ".yml", ".json")
"""The files of a directory that are read."""

MOST_FILES = 10_000
"""Files of one run."""

STDIN = "-"


def read_sources(names: Sequence[str]) -> list[Source]:
    """Return the texts of all files, in order of their names in each directory.

    Raises:
        InvalidDocuments: a file cannot be read, is no text, or there is none. Lists all of them.
    """
    sources: list[Source] = []
    problems: list[Problem] = []
    seen: set[str] = set()
    for name in names:
        found = 0
        for path in _files(name, problems):
            found += 1
            if path in seen:
                continue
            seen.add(path)
            if len(seen) > MOST_FILES:
                raise InvalidDocuments([Problem(name, "", f"more than {MOST_FILES} files")])
            _read(path, sources, problems)
        if not found and not problems:
            problems.append(Problem(name, "", f"has no files ending in {', '.join(SUFFIXES)}"))
    if problems:
        raise InvalidDocuments(problems)
    return sources


def _files(name: str, problems: list[Problem]) -> Iterator[str]:
    if name == STDIN or not Path(name).is_dir():
        yield name
        return

    def refuse(exc: OSError) -> None:
        problems.append(Problem(str(exc.filename or name), "", _reason(exc)))

    for folder, folders, files in os.walk(name, onerror=refuse):
        # In place: the order of the walk, without .git and the like.
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        for file in sorted(files):
            if file.endswith(SUFFIXES) and not file.startswith("."):
                yield str(Path(folder) / file)


def _read(path: str, sources: list[Source], problems: list[Problem]) -> None:
    shown = "(standard input)" if path == STDIN else path
    try:
        data = _bytes(path)
    except OSError as exc:
        problems.append(Problem(shown, "", _reason(exc)))
        return
    if len(data) > MAX_BYTES:
        problems.append(Problem(shown, "", f"has more than {MAX_BYTES} bytes; split it"))
        return
    try:
        sources.append(Source(shown, data.decode("utf-8-sig")))
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        problems.append(Problem(f"{shown}:{line}", "", "is not UTF-8"))


def _bytes(path: str) -> bytes:
    """Return at most one byte more than a document may have. Raises OSError."""
    if path == STDIN:
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    with Path(path).open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _reason(exc: OSError) -> str:
    return (exc.strerror or "can't be read").lower()
