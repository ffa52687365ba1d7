"""Classes have only fields that the providers' custom resources have. A typo is refused."""

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests.deploy.classes.class_cluster import STRICT, ClassCluster
from tests.deploy.classes.shipped import CLASSES, Object, file_of, objects_of

pytestmark = pytest.mark.timeout(600)

ANYTHING = {"additionalProperties", "default", "items", "properties", "value"}
"""Keys below which a ClusterClass may have any other key."""


def misspelt(one: Object) -> Iterator[tuple[str, Object]]:
    """Yield copies of an object, in each of which one field of its spec is misspelt.

    The fields of the items of a list are tried in one item.
    """
    tried: set[tuple[str, ...]] = set()
    for path in _fields(one["spec"], ("spec",)):
        shape = tuple(part for part in path if isinstance(part, str))
        if shape in tried:
            continue
        tried.add(shape)
        copied = copy.deepcopy(one)
        *outer, last = path
        inner: Any = copied
        for part in outer:
            inner = inner[part]
        inner[f"{last}Typo"] = inner.pop(last)
        yield ".".join(map(str, path)), copied
    yield "spec", one | {"spec": one["spec"] | {"projekt": "shop"}}


def _fields(value: Any, path: tuple[str | int, ...]) -> Iterator[Sequence[str | int]]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _fields(item, (*path, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield (*path, key)
            if key not in ANYTHING:
                yield from _fields(item, (*path, key))


@pytest.mark.parametrize("name", CLASSES)
def test_class_in_strict_dry_run_is_accepted(class_cluster: ClassCluster, name: str) -> None:
    done = class_cluster.kubectl(*STRICT, "-f", file_of(name))
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(objects_of(name))


@pytest.mark.parametrize("name", CLASSES)
def test_class_with_a_misspelt_field_is_refused(class_cluster: ClassCluster, name: str) -> None:
    tried = 0
    for one in objects_of(name):
        for field, wrong in misspelt(one):
            refusal = class_cluster.refusal(wrong)
            assert "unknown field" in refusal, (one["kind"], field, refusal)
            tried += 1
    assert tried > len(objects_of(name))
