"""Parse documents, and report all problems at once with file and line. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from config.bounded_yaml import InvalidYaml
from config.errors import InvalidInput, Problem
from config.yaml_documents import YamlDocument, read_documents
from config.yaml_walk import Path
from proxy.cli.apply.fields import Field, Invalid, labels, mapping, name, problems_of
from proxy.cli.apply.kinds import API_VERSION, KINDS, Kind
from proxy.cli.suggestions import nearest

MAX_DOCUMENTS = 20_000
"""Documents of one run."""

MAX_VALUES = 400_000
"""Values in one file: twenty for each document of a run."""


class InvalidDocuments(InvalidInput):
    """Documents are not valid, or cannot be applied."""


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a file, with the name to show."""

    name: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Document:
    """A valid document. ``spec`` has its fields in canonical form, without defaults."""

    kind: Kind
    name: str
    labels: Mapping[str, str]
    spec: Mapping[str, Any]
    file: str = ""
    lines: Mapping[Path, int] = field(default_factory=dict, repr=False, compare=False)

    @property
    def place(self) -> str:
        """Return the file and the first line."""
        return self.place_of()

    def place_of(self, *path: str | int) -> str:
        """Return the file and the line of a value."""
        return f"{self.file}:{YamlDocument(None, self.lines).line(path)}"

    def problem(self, key: str, message: str) -> Problem:
        """Return a problem of a field of the spec, or of the name."""
        path = ("metadata", "name") if key == "name" else ("spec", key)
        return Problem(self.place_of(*path), ".".join(path), message)

    @property
    def identity(self) -> tuple[str, ...]:
        """Return what identifies the object, as written."""
        keys = (key for key, one in self.kind.fields.items() if one.identifies)
        return (self.kind.name, self.name, *(str(self.spec.get(key) or "") for key in keys))

    @property
    def subject(self) -> str:
        """Return the user or group of a binding or member."""
        return str(self.spec.get("user") or self.spec.get("group") or "")


def parse(sources: Iterable[Source]) -> list[Document]:
    """Return the documents of all sources, in order.

    Raises:
        InvalidDocuments: at least one has a problem.
    """
    found: list[Document] = []
    problems: list[Problem] = []
    for source in sources:
        _read(source, found, problems)
        if len(found) > MAX_DOCUMENTS:
            problems.append(Problem(source.name, "", f"more than {MAX_DOCUMENTS} documents"))
            break
    problems += _duplicates(found)
    if problems:
        raise InvalidDocuments(problems)
    return found


def _read(source: Source, found: list[Document], problems: list[Problem]) -> None:
    try:
        documents = read_documents(source.text, max_nodes=MAX_VALUES)
    except InvalidYaml as exc:
        place = source.name if exc.line is None else f"{source.name}:{exc.line}"
        problems.append(Problem(place, "", str(exc)))
        return
    for one in documents:
        reader = _Reader(source.name, one)
        document = reader.document()
        problems += reader.problems
        if document is not None and not reader.problems:
            found.append(document)


def _duplicates(documents: Sequence[Document]) -> Iterable[Problem]:
    seen: dict[tuple[str, ...], Document] = {}
    for one in documents:
        first = seen.setdefault(one.identity, one)
        if first is not one:
            yield Problem(
                one.place, "", f"the same {one.kind.name} is at {first.place}; remove one"
            )


class _Reader:
    """Reads one document, and collects its problems."""

    def __init__(self, file: str, read: YamlDocument) -> None:
        self._file = file
        self._read = read
        self.problems = [
            Problem(f"{file}:{one.line}", _dotted(one.path), one.message) for one in read.problems
        ]

    def document(self) -> Document | None:
        """Return the document, if its head is valid."""
        value = self._read.value
        if not isinstance(value, dict):
            self._add((), f"must be a document with apiVersion: {API_VERSION}, kind, and spec")
            return None
        kind = self._kind(value)
        return self._of_kind(kind, value) if kind is not None else None

    def _of_kind(self, kind: Kind, value: Mapping[str, Any]) -> Document | None:
        metadata = {"labels": Field(labels, "", {})} if kind.labelled else {}
        if kind.named:
            metadata = {"name": Field(name, "", required=True), **metadata}
        elif isinstance(value.get("metadata"), dict) and "name" in value["metadata"]:
            self._add(("metadata", "name"), f"a {kind.name} has no name: its spec identifies it")
            return None
        spec_required = any(one.required for one in kind.fields.values())
        whole = {
            "apiVersion": Field(lambda one: one, "", required=True),
            "kind": Field(lambda one: one, "", required=True),
            "metadata": Field(mapping(metadata, complete=False), "", {}, required=kind.named),
            "spec": Field(mapping(kind.fields, complete=False), "", {}, required=spec_required),
        }
        try:
            made = mapping(whole)(value)
        except Invalid as exc:
            for one in problems_of(exc):
                self._add(one.path, str(one))
            return None
        head, spec = made["metadata"], made["spec"]
        self._check(kind, spec)
        return Document(
            kind,
            head.get("name", ""),
            head.get("labels", {}),
            spec,
            self._file,
            self._read.lines,
        )

    def _kind(self, value: Mapping[str, Any]) -> Kind | None:
        version, named = value.get("apiVersion"), value.get("kind")
        if version != API_VERSION:
            self._add(("apiVersion",), f"must be {API_VERSION}")
            return None
        kind = KINDS.get(named) if isinstance(named, str) else None
        if kind is None:
            near = nearest(named, KINDS) if isinstance(named, str) else None
            meant = f"; did you mean {near}?" if near else ""
            self._add(("kind",), f"must be one of {', '.join(KINDS)}{meant}")
        return kind

    def _check(self, kind: Kind, spec: Mapping[str, Any]) -> None:
        """Check what concerns several fields."""
        if "role" in kind.fields:
            if ("user" in spec) == ("group" in spec):
                self._add(("spec",), "must have either user or group")
            elif "group" in spec:
                self._check_group(spec)
            elif "groupName" in spec:
                self._add(("spec", "groupName"), "is for groups; remove it")
        for key in ("namespaces", "classes"):
            seen: set[str] = set()
            for n, one in enumerate(spec.get(key, ())):
                if one["name"] in seen:
                    self._add(("spec", key, n, "name"), "occurs twice")
                seen.add(one["name"])

    def _check_group(self, spec: Mapping[str, Any]) -> None:
        if "provider" in spec:
            self._add(("spec", "provider"), "is for users: a group's id contains its provider")
        scheme, separator, key = spec["group"].partition("://")
        if not (scheme and separator and key):
            message = "must be a group's id, such as github_team://42 (see `sekisho group list`)"
            self._add(("spec", "group"), message)

    def _add(self, path: Path, message: str) -> None:
        place = f"{self._file}:{self._read.line(path)}"
        self.problems.append(Problem(place, _dotted(path), message))


def _dotted(path: Path) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
