"""The classes that ship, as they are in deploy/classes."""

import re
import shlex
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy/classes"
CLASSES = sorted(folder.name for folder in FOLDER.iterdir())

Object = dict[str, Any]


def file_of(name: str) -> Path:
    """Return the file with a class and its templates."""
    return FOLDER / name / "class.yaml"


def objects_of(name: str) -> list[Object]:
    """Return the class and its templates."""
    return list(yaml.safe_load_all(file_of(name).read_text()))


def class_of(name: str) -> Object:
    """Return the ClusterClass."""
    [found] = [one for one in objects_of(name) if one["kind"] == "ClusterClass"]
    return found


def variables_of(name: str) -> dict[str, Object]:
    """Return the variables of a class by name, as the class declares them."""
    return {one["name"]: one for one in class_of(name)["spec"]["variables"]}


def example_of(name: str) -> Path:
    """Return the file with the example of an order, as a Cluster."""
    return FOLDER / name / "cluster.yaml"


def order_command(name: str) -> list[str]:
    """Return the words of the command in the example's comment."""
    comment = "\n".join(re.findall(r"^#  ? ?(.*)$", example_of(name).read_text(), re.MULTILINE))
    [command] = re.findall(r"sekisho (?:.*\\\n)*.*", comment)
    return shlex.split(command.replace("\\\n", " "))
