"""Read a manifest: YAML documents of workloads and of what belongs to them. Pure.

The text is not trusted. It is bounded in bytes by the reader of the request, and here in documents
and values. All problems are reported at once, each with its line.
"""

import datetime as dt
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from config.bounded_yaml import InvalidYaml
from config.yaml_documents import YamlDocument, read_documents
from config.yaml_walk import Path
from management.workload_changes.manifest_kinds import MANIFEST_KINDS, RANKS
from management.workloads.kinds import WorkloadKind, is_object_name

MAX_OBJECTS = 50
"""Objects of one manifest. Each takes three requests."""

MAX_PROBLEMS = 20
"""Problems that are reported at once."""

_SHOWN = 64
"""Characters of a value that a message repeats."""

_NUMBERS, _SHORT_NUMBERS = 2**63, 2**31
"""An API server cuts the bits of a larger number: 4294967301 replicas are 5, and more may be 0."""

_SHORT = frozenset(
    {
        *("backoffLimit", "completions", "containerPort", "hostPort", "maxReplicas"),
        *("minReplicas", "nodePort", "parallelism", "port", "replicas", "targetPort"),
    }
)
"""Fields with numbers of 32 bits whose meaning another number changes most."""

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class ManifestProblem:
    """A problem of a manifest. ``line`` begins at 1; 0 if it is not in one line."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}" if self.line else self.message


class InvalidManifest(Exception):
    """A manifest is not valid. ``problems`` has at least one, and at most MAX_PROBLEMS."""

    def __init__(self, problems: Sequence[ManifestProblem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class ManifestObject:
    """One object of a manifest, as it is sent to the cluster."""

    kind: WorkloadKind
    namespace: str
    name: str
    content: dict[str, Any] = field(repr=False, hash=False)

    @property
    def path(self) -> str:
        """Return the object's API path."""
        return self.kind.path(self.namespace, self.name)

    @property
    def title(self) -> str:
        """Return the object's title, as ``Deployment shop/web``."""
        return f"{self.kind.kind} {self.namespace}/{self.name}"


def read_manifest(text: str, default_namespace: str | None = None) -> list[ManifestObject]:
    """Return the objects of a manifest, in the order in which they are applied.

    ``default_namespace`` is that of objects without a namespace. Objects that others need come
    first (see :mod:`.manifest_kinds`); objects of one kind keep their order.

    Raises:
        InvalidManifest: the text or an object is not valid, or there is no object.
    """
    try:
        documents = read_documents(text)
    except InvalidYaml as exc:
        raise InvalidManifest([ManifestProblem(exc.line or 0, f"the manifest {exc}")]) from exc
    if not documents:
        raise InvalidManifest([ManifestProblem(0, "the manifest has no object")])
    if len(documents) > MAX_OBJECTS:
        message = f"the manifest has more than {MAX_OBJECTS} objects: apply it in parts"
        raise InvalidManifest([ManifestProblem(0, message)])
    objects: list[ManifestObject] = []
    problems: list[ManifestProblem] = []
    for document in documents:
        found = list(_problems(document, default_namespace))
        problems += found
        if not found:
            one = _object(document.value, default_namespace)
            if any(one.path == other.path for other in objects):
                problems.append(ManifestProblem(document.line(()), f"{one.title} occurs twice"))
            objects.append(one)
    if problems:
        raise InvalidManifest(problems[:MAX_PROBLEMS])
    return sorted(objects, key=lambda one: RANKS[one.kind.kind])


def _object(value: dict[str, Any], default_namespace: str | None) -> ManifestObject:
    metadata = value["metadata"]
    namespace = str(metadata.get("namespace") or default_namespace)
    content = {**value, "metadata": {**metadata, "namespace": namespace}}
    return ManifestObject(MANIFEST_KINDS[value["kind"]], namespace, metadata["name"], content)


def _problems(document: YamlDocument, default_namespace: str | None) -> Iterator[ManifestProblem]:
    """Yield the problems of one document."""
    for one in document.problems:
        yield ManifestProblem(one.line, f"{_dotted(one.path)} {one.message}")
    if not isinstance(document.value, dict):
        yield ManifestProblem(document.line(()), "a document must be an object with a kind")
        return
    for path, message in [
        *_kind_problems(document.value),
        *_metadata_problems(document.value.get("metadata"), default_namespace),
        *_value_problems(document.value, ()),
    ]:
        yield ManifestProblem(document.line(path), f"{_dotted(path)} {message}")


def _kind_problems(value: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in MANIFEST_KINDS:
        known = ", ".join(sorted(MANIFEST_KINDS))
        yield ("kind",), f"is {_shown(kind)}; a manifest may contain {known}"
    elif value.get("apiVersion") != MANIFEST_KINDS[kind].group:
        found = _shown(value.get("apiVersion"))
        yield ("apiVersion",), f"is {found}; write {MANIFEST_KINDS[kind].group} for a {kind}"


def _metadata_problems(
    metadata: object, default_namespace: str | None
) -> Iterator[tuple[Path, str]]:
    if not isinstance(metadata, dict):
        yield ("metadata",), "is missing; write it with a name"
        return
    name = metadata.get("name")
    if not isinstance(name, str) or not is_object_name(name):
        yield ("metadata", "name"), "must be a lower case DNS name (generateName has no state)"
    namespace = metadata.get("namespace") or default_namespace
    if namespace is None:
        yield ("metadata", "namespace"), "is missing, and the request has no namespace"
    elif not isinstance(namespace, str) or _NAMESPACE.fullmatch(namespace) is None:
        yield ("metadata", "namespace"), "must be a lower case DNS label"
    if "managedFields" in metadata:
        yield ("metadata", "managedFields"), "belongs to the cluster; remove it"


def _value_problems(value: object, path: Path) -> Iterator[tuple[Path, str]]:
    """Yield the values that JSON does not have. The reader has bounded the depth."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _value_problems(one, (*path, key))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _value_problems(one, (*path, number))
    elif isinstance(value, dt.date | bytes):
        yield path, "is a date or bytes in YAML; put it in quotes"
    elif isinstance(value, float) and not math.isfinite(value):
        yield path, "is not a finite number; put it in quotes if it is text"
    elif isinstance(value, int | float) and not _fits(value, path):
        yield path, "is a number that Kubernetes cannot hold; put it in quotes if it is text"


def _fits(value: float, path: Path) -> bool:
    most = _SHORT_NUMBERS if path[-1] in _SHORT else _NUMBERS
    return -most <= value < most


def _dotted(path: Path) -> str:
    return ".".join(str(one)[:_SHOWN] for one in path) or "the document"


def _shown(value: object) -> str:
    if value is None:
        return "missing"
    return repr(value[:_SHOWN]) if isinstance(value, str) else "not text"
