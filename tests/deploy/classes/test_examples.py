"""The example of an order is the same as a command and as a Cluster."""

from typing import Any

import pytest
import yaml

from tests.deploy.classes.shipped import (
    CLASSES,
    class_of,
    example_of,
    order_command,
    variables_of,
)


def options_of(words: list[str]) -> dict[str, Any]:
    """Return the options of an order, with the values of its variables."""
    found: dict[str, Any] = {"set": {}}
    for name, value in zip(words[4::2], words[5::2], strict=True):
        if name == "--set":
            key, _, text = value.partition("=")
            found["set"][key] = yaml.safe_load(text)
        else:
            found[name.removeprefix("--")] = value
    return found


@pytest.mark.parametrize("name", CLASSES)
def test_example_as_a_command_and_as_a_cluster_is_the_same_order(name: str) -> None:
    cluster = yaml.safe_load(example_of(name).read_text())
    topology = cluster["spec"]["topology"]
    [[pool]] = topology["workers"].values()
    words = order_command(name)
    assert words[:4] == ["sekisho", "cluster", "provision", cluster["metadata"]["name"]]
    assert options_of(words) == {
        "class": name,
        "version": topology["version"],
        "workers": str(pool["replicas"]),
        "set": {one["name"]: one["value"] for one in topology["variables"]},
    }
    assert topology["classRef"] == {"name": class_of(name)["metadata"]["name"]} == {"name": name}


@pytest.mark.parametrize("name", CLASSES)
def test_variable_is_described_and_has_a_default_or_is_required(name: str) -> None:
    for variable in variables_of(name).values():
        schema = variable["schema"]["openAPIV3Schema"]
        assert schema["description"].endswith("."), variable
        assert ("default" in schema) != variable["required"], variable
