"""Classes as an engine sends them, and what fits one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from management.provisioning.class_choice import may_use
from management.provisioning.classes import (
    MAX_SCHEMA,
    MAX_VARIABLES,
    ClusterClass,
    InvalidOrder,
    WorkerClass,
    check_name,
    check_wanted,
    cluster_class,
)
from management.provisioning.schemas import mismatch
from store.order_records import AllowedClass, Pool
from tests.store.order_records import a_management, wanting
from tests.support.capi.standin_kinds import class_objects

STANDIN = cluster_class(class_objects()[-1])


def sent(**parts: Any) -> ClusterClass:
    return cluster_class({"metadata": {"name": "x"}, **parts})


def problems(**changes: Any) -> dict[str, str]:
    wanted = wanting(**{"pools": (Pool("a", "default", 1),), "variables": {}} | changes)
    with pytest.raises(InvalidOrder) as caught:
        check_wanted(wanted, STANDIN)
    return {one.field: one.message for one in caught.value.problems}


def test_class_has_its_variables_workers_and_versions() -> None:
    assert [one.name for one in STANDIN.variables] == [
        *("fail", "delay", "kubeletSuffix", "machineSize")
    ]
    assert STANDIN.workers == (
        WorkerClass("default", "deployment"),
        WorkerClass("large", "deployment"),
    )
    pools = {"machinePools": [{"class": "gke"}]}
    found = sent(spec={"workers": pools, "kubernetesVersions": ["v1.36.3", 7]})
    assert (found.workers, found.versions) == ((WorkerClass("gke", "machinepool"),), ("v1.36.3",))


def test_variables_of_extensions_are_read_from_the_status() -> None:
    schema = {"openAPIV3Schema": {"type": "string"}}
    definition = {"from": "extension", "required": True, "schema": schema}
    status = {"variables": [{"name": "zone", "definitions": [definition]}]}
    (found,) = sent(status=status).variables
    assert (found.name, found.required, found.schema) == ("zone", True, {"type": "string"})


def test_class_that_the_engine_has_not_read_has_a_problem() -> None:
    condition = {"type": "VariablesReady", "status": "False", "message": "no such\nextension"}
    assert sent(status={"conditions": [condition]}).problem == "no such extension"
    assert sent(status={"conditions": [condition | {"status": "True"}]}).problem == ""


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "workers",
                        "variables",
                        "name",
                        "class",
                        "machinePools",
                        "schema",
                        "conditions",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
    )
)
def test_any_class_is_read(value: Any) -> None:
    sent(spec=value, status=value)


def test_huge_class_is_bounded() -> None:
    schema = {"openAPIV3Schema": {"description": "x" * (MAX_SCHEMA + 1)}}
    variables = [{"name": f"v{n}", "schema": schema} for n in range(MAX_VARIABLES + 50)]
    found = sent(spec={"variables": variables})
    assert len(found.variables) == MAX_VARIABLES
    assert found.variables[0].schema == {}


def test_order_that_fits_its_class_is_valid() -> None:
    pools = (Pool("a", "default", 0), Pool("b", "large", 5))
    check_wanted(wanting(pools=pools, variables={"machineSize": "large", "delay": 600}), STANDIN)


def test_each_field_that_does_not_fit_is_named() -> None:
    pools = (Pool("a", "default", -1), Pool("a", "zzz", 1), Pool("B", "large", 1))
    found = problems(
        version="latest", pools=pools, control_plane_replicas=0, variables={"zzz": 1, "delay": "x"}
    )
    assert set(found) == {
        *("version", "control_plane.replicas", "pools.0.name", "pools.0.replicas"),
        *("pools.1.name", "pools.1.class", "pools.2.name", "variables.zzz", "variables.delay"),
    }
    assert found["pools.1.class"] == "must be a class of workers of standin: default, large"


def test_required_variable_must_be_given_unless_it_has_a_default() -> None:
    def variable(**schema: Any) -> dict[str, Any]:
        return {"name": "zone", "required": True, "schema": {"openAPIV3Schema": schema}}

    chosen = sent(spec={"variables": [variable(type="string")]})
    with pytest.raises(InvalidOrder, match=r"variables\.zone: must be given"):
        check_wanted(wanting(pools=(), variables={}), chosen)
    chosen = sent(spec={"variables": [variable(type="string", default="a")]})
    check_wanted(wanting(pools=(), variables={}), chosen)


@pytest.mark.parametrize("name", ["", "a.b", "1a", "-a", "a-", "A", "a" * 41, "c-aaaaaaaaaa", "ä"])
def test_name_that_no_ordered_cluster_can_have_is_refused(name: str) -> None:
    with pytest.raises(InvalidOrder, match="name: must be up to 40"):
        check_name(name)


def test_name_of_forty_characters_is_valid() -> None:
    check_name("a" * 40)
    check_name("c-prod")


@pytest.mark.parametrize(
    ("schema", "value", "reason"),
    [
        ({"type": "string"}, 1, "must be of type string"),
        ({"type": "integer"}, True, "must be of type integer"),
        ({"type": "number"}, 1, ""),
        ({"type": "string", "enum": ["a", "b"]}, "c", "must be one of a, b"),
        ({"type": "string", "minLength": 2}, "a", "must be at least 2 characters"),
        ({"type": "string", "pattern": "(a+)+$"}, "a" * 40 + "b", ""),
        ({"type": "integer", "maximum": 5}, 6, "must be at most 5"),
        ({"type": "array", "maxItems": 1}, [1, 2], "must be at most 1 items"),
        ({"type": "array", "items": {"type": "string"}}, ["a", 1], "1 must be of type string"),
        ({"type": "object", "required": ["a"]}, {}, "a must be given"),
        (
            {"type": "object", "properties": {"a": {"type": "boolean"}}},
            {"a": "secret"},
            "a must be of type boolean",
        ),
        ({"type": ["weird"], "enum": 7, "minimum": "x", "properties": 1}, "a", ""),
        ({}, {"any": ["thing"]}, ""),
    ],
)
def test_mismatch_names_the_reason_and_not_the_value(
    schema: dict[str, Any], value: Any, reason: str
) -> None:
    assert mismatch(schema, value) == reason


def test_deep_value_ends_the_check() -> None:
    schema: dict[str, Any] = {"type": "array"}
    schema["items"] = schema
    value: list[Any] = []
    for _ in range(500):
        value = [value]
    assert mismatch(schema, value) == ""


def test_class_is_for_everyone_or_for_holders_of_its_roles() -> None:
    every = a_management()
    some = a_management(classes=(AllowedClass("a", ("r-1",)), AllowedClass("b")))
    assert may_use(every, "any", [])
    assert [may_use(some, name, ["r-2"]) for name in ("a", "b", "c")] == [False, True, False]
    assert may_use(some, "a", ["r-1", "r-2"])
