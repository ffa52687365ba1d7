"""Values of variables cannot change the structure of what a class makes of them.

The engine writes values into the templates of patches as text. So each one that a template uses has
a type, a pattern, or an enumeration without quotes and lines, or is written as JSON.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.deploy.classes.shipped import CLASSES, Object, class_of, variables_of

HOSTILE = (
    'a"b',
    "a'b",
    "a\nb: c",
    "a\n",
    "a: b",
    "a #b",
    "{{ .builtin }}",
    "a}}b",
    "[a",
    "{a",
    " a",
)


def templates(found: Any) -> Iterator[str]:
    """Yield every template in a part of a class."""
    if isinstance(found, dict):
        for key, value in found.items():
            if key == "template" and isinstance(value, str):
                yield value
            else:
                yield from templates(value)
    elif isinstance(found, list):
        for item in found:
            yield from templates(item)


def used_as_text(name: str) -> set[str]:
    """Return the variables of a class that a template writes as text."""
    actions = [
        action
        for template in templates(class_of(name)["spec"]["patches"])
        for action in re.findall(r"{{-?(.*?)-?}}", template)
    ]
    text = [one for one in actions if not re.match(r"\s*if\b", one) and "toJson" not in one]
    return {found for one in text for found in re.findall(r"(?<![\w.])\.([a-z]\w*)", one)}


def accepts(schema: Object, value: str) -> bool:
    """Return whether a schema accepts a text, or a text in a list or an object."""
    if schema["type"] == "array":
        return accepts(schema["items"], value)
    if schema["type"] == "object":
        return accepts(schema["additionalProperties"], value)
    if schema["type"] != "string":
        return False
    if "enum" in schema:
        return value in schema["enum"]
    # The engine's patterns end at the end of the text, and Python's $ also before a last newline.
    return "pattern" not in schema or bool(
        re.search(re.sub(r"\$$", r"\\Z", schema["pattern"]), value)
    )


@pytest.mark.parametrize("name", CLASSES)
def test_value_in_a_template_cannot_have_quotes_or_lines(name: str) -> None:
    variables = variables_of(name)
    used = used_as_text(name) - {"builtin"}
    assert used <= set(variables)
    for variable in used:
        schema = variables[variable]["schema"]["openAPIV3Schema"]
        assert [value for value in HOSTILE if accepts(schema, value)] == [], variable


def test_templates_of_the_classes_are_found() -> None:
    assert used_as_text("gke") == {"zone", "region", "project", "authorizedNetworks"}
    assert "tags" not in used_as_text("aks")
    assert accepts({"type": "string"}, HOSTILE[0])
