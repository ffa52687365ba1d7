"""Classes of a management cluster (ClusterClass), and whether what is wanted fits one. Pure.

An attacker who controls the management cluster chooses each byte of a class, so lists and schemas
are bounded, and no pattern of a schema is run. The engine's own check of an order is the complete
one. This check finds what the engine would accept and never make (a class that does not exist, a
negative size), and names the field of what is wrong.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from management.clusters.cluster_identity import ID
from management.errors import ManagementError
from management.kubernetes.manifests import Manifest
from management.kubernetes.validation import mapping, mappings, text
from management.provisioning.schemas import mismatch
from store.order_records import Pool, WantedCluster

MAX_VARIABLES, MAX_WORKER_CLASSES, MAX_VERSIONS = 200, 100, 200
MAX_SCHEMA = 32_768
"""Characters of a variable's schema as JSON. A larger one is left out, and not checked here."""

MAX_NAME = 40
"""Characters of an ordered cluster's name: the engine adds up to 23 to make names of Machines."""

MAX_POOLS = 50

_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_VERSION = re.compile(r"v\d{1,5}\.\d{1,5}\.\d{1,5}([-+][0-9A-Za-z.+-]{1,40})?")

PoolKind = Literal["deployment", "machinepool"]
_POOL_FIELDS: dict[PoolKind, str] = dict(
    zip(get_args(PoolKind), ("machineDeployments", "machinePools"), strict=True)
)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a field of an order is not valid."""

    field: str
    message: str


class InvalidOrder(ManagementError):
    """The order does not fit its class. ``problems`` has each invalid field."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(f"{one.field}: {one.message}" for one in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class ClassVariable:
    """A variable. ``schema`` is an OpenAPI v3 schema; empty: it is not known here."""

    name: str
    required: bool
    schema: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class WorkerClass:
    """A class of worker nodes. ``kind`` is what the engine makes of a pool of it."""

    name: str
    kind: PoolKind


@dataclass(frozen=True, slots=True)
class ClusterClass:
    """A class. ``versions`` are those that it lists; (): it lists none.

    ``problem`` is why the engine cannot use the class now; empty: it can.
    """

    name: str
    variables: tuple[ClassVariable, ...] = ()
    workers: tuple[WorkerClass, ...] = ()
    versions: tuple[str, ...] = ()
    problem: str = ""

    def worker(self, name: str) -> WorkerClass | None:
        """Return the class of workers with that name."""
        return next((one for one in self.workers if one.name == name), None)


def cluster_class(manifest: Manifest) -> ClusterClass:
    """Return what a ClusterClass offers."""
    spec, status = mapping(manifest.get("spec")), mapping(manifest.get("status"))
    workers = mapping(spec.get("workers"))
    versions = spec.get("kubernetesVersions")
    return ClusterClass(
        name=manifest["metadata"]["name"],
        variables=tuple(_variables(spec, status))[:MAX_VARIABLES],
        workers=tuple(
            WorkerClass(name, kind)
            for kind, key in _POOL_FIELDS.items()
            for one in mappings(workers.get(key), MAX_WORKER_CLASSES)
            if (name := text(one.get("class"), 253))
        ),
        versions=tuple(
            one
            for each in (versions if isinstance(versions, list) else [])[:MAX_VERSIONS]
            if (one := text(each, 63))
        ),
        problem=_problem(status),
    )


def _variables(spec: Mapping[str, Any], status: Mapping[str, Any]) -> Iterator[ClassVariable]:
    """Yield the variables. The status has those of the engine's extensions as well."""
    seen = set()
    for one in mappings(status.get("variables"), MAX_VARIABLES):
        name = text(one.get("name"), 256)
        for definition in mappings(one.get("definitions"), 1):
            if name and name not in seen:
                seen.add(name)
                yield _variable(name, definition)
    for one in mappings(spec.get("variables"), MAX_VARIABLES):
        name = text(one.get("name"), 256)
        if name and name not in seen:
            seen.add(name)
            yield _variable(name, one)


def _variable(name: str, definition: Mapping[str, Any]) -> ClassVariable:
    schema = mapping(mapping(definition.get("schema")).get("openAPIV3Schema"))
    is_small = len(json.dumps(schema)) <= MAX_SCHEMA
    return ClassVariable(name, definition.get("required") is True, schema if is_small else {})


def _problem(status: Mapping[str, Any]) -> str:
    for one in mappings(status.get("conditions"), 32):
        if one.get("type") == "VariablesReady" and one.get("status") != "True":
            said = " ".join((text(one.get("message"), 500) or "").split())
            return said or "the engine has not read its variables yet"
    return ""


def check_name(name: str) -> None:
    """Raise InvalidOrder unless an ordered cluster can have the name."""
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME or ID.fullmatch(name):
        raise InvalidOrder(
            Problem(
                "name",
                f"must be up to {MAX_NAME} of a-z, 0-9 and '-', begin with a letter, and not look "
                "like an id (c-…)",
            )
        )


def check_wanted(wanted: WantedCluster, chosen: ClusterClass) -> None:
    """Raise InvalidOrder unless what is wanted fits the class."""
    problems = [
        *_version(wanted),
        *_control_plane(wanted),
        *_pools(wanted.pools, chosen),
        *_values(wanted.variables, chosen),
    ]
    if problems:
        raise InvalidOrder(*problems)


def _version(wanted: WantedCluster) -> Iterator[Problem]:
    if not _VERSION.fullmatch(wanted.version):
        yield Problem("version", "must be a version of Kubernetes, such as v1.36.3")


def _control_plane(wanted: WantedCluster) -> Iterator[Problem]:
    replicas = wanted.control_plane_replicas
    if replicas is not None and not 1 <= replicas <= 99:
        yield Problem("control_plane.replicas", "must be from 1 to 99")


def _pools(pools: tuple[Pool, ...], chosen: ClusterClass) -> Iterator[Problem]:
    if len(pools) > MAX_POOLS:
        yield Problem("pools", f"must be at most {MAX_POOLS}")
    names = [one.name for one in pools]
    known = ", ".join(one.name for one in chosen.workers) or "none"
    for number, pool in enumerate(pools[:MAX_POOLS]):
        at = f"pools.{number}"
        if not _NAME.fullmatch(pool.name) or len(pool.name) > MAX_NAME:
            yield Problem(f"{at}.name", f"must be a DNS label of up to {MAX_NAME} characters")
        if names.count(pool.name) > 1:
            yield Problem(f"{at}.name", "must not be that of another pool")
        if pool.replicas < 0:
            yield Problem(f"{at}.replicas", "must not be negative")
        if chosen.worker(pool.worker_class) is None:
            yield Problem(f"{at}.class", f"must be a class of workers of {chosen.name}: {known}")


def _values(values: Mapping[str, Any], chosen: ClusterClass) -> Iterator[Problem]:
    known = {one.name: one for one in chosen.variables}
    for name, value in values.items():
        if name not in known:
            names = ", ".join(sorted(known)) or "none"
            shown = name[:64]
            yield Problem(
                f"variables.{shown}", f"class {chosen.name} has no such variable: {names}"
            )
        elif wrong := mismatch(known[name].schema, value):
            yield Problem(f"variables.{name}", wrong)
    for one in chosen.variables:
        if one.required and one.name not in values and "default" not in one.schema:
            yield Problem(f"variables.{one.name}", "must be given")
