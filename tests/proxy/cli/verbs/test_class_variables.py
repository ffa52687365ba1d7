"""Values of ``--set``, typed by the schemas of a class."""

from typing import Any

import click
import pytest

from proxy.cli.verbs.class_variables import with_set, without

NETWORK = {
    "type": "object",
    "properties": {
        "pods": {"type": "string"},
        "mtu": {"type": "integer"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "other": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    },
}
SCHEMAS: dict[str, Any] = {
    "region": {"type": "string", "enum": ["eu", "us"]},
    "size": {"type": "integer"},
    "share": {"type": "number"},
    "private": {"type": "boolean"},
    "zones": {"type": "array", "items": {"type": "string"}},
    "network": NETWORK,
    "port": {"x-kubernetes-int-or-string": True},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("region=eu", {"region": "eu"}),
        ("region=3", {"region": "3"}),
        ("region=a=b", {"region": "a=b"}),
        ("region=", {"region": ""}),
        ("size=3", {"size": 3}),
        ("share=0.5", {"share": 0.5}),
        ("share=2", {"share": 2}),
        ("private=true", {"private": True}),
        ('zones=["a", "b"]', {"zones": ["a", "b"]}),
        ('network={"mtu": 1400}', {"network": {"mtu": 1400}}),
        ("network.pods=10.0.0.0/8", {"network": {"pods": "10.0.0.0/8"}}),
        ("network.labels.env=1", {"network": {"labels": {"env": "1"}}}),
        ("network.other.deep=1", {"network": {"other": {"deep": 1}}}),
        ("port=80", {"port": 80}),
        ("port=http", {"port": "http"}),
    ],
)
def test_value_has_the_type_of_its_schema(text: str, expected: dict[str, Any]) -> None:
    assert with_set({}, [text], SCHEMAS) == expected


@pytest.mark.parametrize(
    ("values", "text", "expected"),
    [
        ({"size": 3}, "size=null", {}),
        ({}, "size=null", {}),
        ({"port": 80}, "port=null", {}),
        ({"zones": ["a"]}, "zones=null", {}),
        ({"region": "eu"}, "region=null", {"region": "null"}),
        ({"network": {"mtu": 1400, "pods": "a"}}, "network.mtu=null", {"network": {"pods": "a"}}),
        ({"network": {"pods": "a"}}, "network.other.deep=null", {"network": {"pods": "a"}}),
        ({}, "network.mtu=null", {}),
    ],
)
def test_null_removes_a_value_unless_the_schema_has_a_string(
    values: dict[str, Any], text: str, expected: dict[str, Any]
) -> None:
    assert with_set(values, [text], SCHEMAS) == expected


def test_null_removes_a_field_from_the_default_of_an_object() -> None:
    default = {"mtu": 1400, "pods": "10.0.0.0/8"}
    schemas = {"network": {**NETWORK, "default": default}}
    assert with_set({}, ["network.mtu=null"], schemas) == {"network": {"pods": "10.0.0.0/8"}}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("region", "write it like KEY=VALUE"),
        ("=eu", "write it like KEY=VALUE"),
        ("network..pods=1", "write it like KEY=VALUE"),
        ("regoin=eu", "did you mean region?"),
        ("zzz=eu", "the variables are network, port, private, region, share, size, zones"),
        ("size=many", "size must be a whole number"),
        ("size=1.5", "size must be a whole number"),
        ("size=true", "size must be a whole number"),
        ("share=half", "share must be a number"),
        ("private=yes", "private must be true or false"),
        ("zones=a,b", "zones must be a JSON list"),
        ("zones.0=a", "zones is a list; give it as JSON"),
        ("network=10.0.0.0/8", "network must be a JSON object"),
        ("network.pod=1", "did you mean pods?"),
        ("region.eu=1", 'region has no field "eu"; it has no fields'),
    ],
)
def test_wrong_value_is_refused_with_what_it_must_be(text: str, sentence: str) -> None:
    with pytest.raises(click.UsageError) as raised:
        with_set({}, [text], SCHEMAS)
    assert sentence in raised.value.message


def test_values_of_a_file_are_kept_and_overwritten() -> None:
    values = {"region": "us", "network": {"pods": "10.0.0.0/8", "mtu": 1500}}
    found = with_set(values, ["network.mtu=1400", "size=3"], SCHEMAS)
    assert found == {"region": "us", "network": {"pods": "10.0.0.0/8", "mtu": 1400}, "size": 3}
    assert values["network"] == {"pods": "10.0.0.0/8", "mtu": 1500}, "the original is unchanged"
    with pytest.raises(click.UsageError, match="network is not an object in --values"):
        with_set({"network": "flat"}, ["network.mtu=1400"], SCHEMAS)


def test_field_of_an_object_keeps_the_others_of_its_default() -> None:
    schemas = {**SCHEMAS, "network": {**NETWORK, "default": {"pods": "10.0.0.0/8", "mtu": 1500}}}
    expected = {"network": {"pods": "10.0.0.0/8", "mtu": 1400}}
    assert with_set({}, ["network.mtu=1400"], schemas) == expected
    assert with_set({"network": {}}, ["network.mtu=1400"], schemas) == {"network": {"mtu": 1400}}


def test_values_are_unset_by_their_paths() -> None:
    values = {"size": 3, "network": {"mtu": 1400, "pods": "10.0.0.0/8"}}
    assert without(values, ["size", "network.mtu"]) == {"network": {"pods": "10.0.0.0/8"}}
    assert without(values, []) == values
    for key in ("siz", "network.mtus", "size.deep", "", "."):
        with pytest.raises(click.UsageError, match="the order does not set"):
            without(values, [key])
    with pytest.raises(click.UsageError, match="did you mean size"):
        without(values, ["siz"])
