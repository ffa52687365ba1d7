"""The form of an order, made from the schemas of a class's variables, in a real browser."""

from collections.abc import Mapping
from typing import Any

import pytest
from selenium.webdriver import Chrome

from management.web.static_files import static_files
from tests.support.sekisho import Sekisho

pytestmark = pytest.mark.timeout(300)  # the browser may have to be installed first

VARIABLES: list[dict[str, Any]] = [
    {"name": "region", "required": True, "schema": {"type": "string", "enum": ["eu", "us"]}},
    {"name": "size", "required": False, "schema": {"type": "integer", "default": 2, "minimum": 1}},
    {"name": "share", "required": False, "schema": {"type": "number"}},
    {"name": "private", "required": False, "schema": {"type": "boolean", "default": True}},
    {"name": "audited", "required": False, "schema": {"type": "boolean"}},
    {"name": "zones", "required": False, "schema": {"type": "array", "items": {"type": "string"}}},
    {
        "name": "network",
        "required": False,
        "schema": {
            "type": "object",
            "description": "How machines are connected.",
            "default": {"mtu": 1500},
            "properties": {
                "pods": {"type": "string", "description": "Addresses of pods."},
                "mtu": {"type": "integer"},
            },
        },
    },
    {
        "name": "labels",
        "required": False,
        "schema": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    {"name": "disks", "required": False, "schema": {"type": "array", "items": {"type": "object"}}},
    {"name": "project", "required": True, "schema": {"type": "string", "maxLength": 30}},
]

SCRIPT = """
const [base, variables, entered, present, done] = arguments;
(async () => {
  const { variableFields } = await import(`${base}/pages/class_form.js`);
  const { form } = await import(`${base}/frame/form.js`);
  document.querySelector("#content").replaceChildren();
  const made = variableFields(variables, "v", present || undefined);
  let values = null;
  const element = form({ fields: made.fields, submit: "Send", action: async (all) => {
    values = all;
    const errors = [{ field: "v.network.mtu", message: "too large" }];
    throw Object.assign(new Error("refused"), { errors });
  } });
  made.arrange(element);
  document.querySelector("#content").append(element);
  for (const [name, value] of Object.entries(entered)) {
    const input = element.elements[`v.${name}`];
    if (input.type === "checkbox") input.checked = value;
    else input.value = value;
  }
  const valid = element.checkValidity();
  element.noValidate = true;
  element.requestSubmit();
  await new Promise((next) => setTimeout(next));
  const field = (one) => one.closest(".field").querySelector(".field-error").textContent;
  done({
    valid,
    values: made.read(values),
    changes: made.changes(values),
    error: field(element.elements["v.network.mtu"]),
    required: made.fields.filter((one) => one.required).map((one) => one.label),
    optional: [...element.querySelectorAll("details [name]")].map((one) => one.name.slice(2)),
    grouped: [...element.querySelectorAll("fieldset [name]")].map((one) => one.name.slice(2)),
    hints: [...element.querySelectorAll(".hint")].map((one) => one.textContent),
  });
})();
"""


HOSTILE: list[dict[str, Any]] = [
    {
        "name": "__proto__",
        "required": False,
        "schema": {"type": "object", "properties": {"polluted": {"type": "string"}}},
    },
    {"name": "broken", "required": False, "schema": {"enum": "all", "properties": {"a": None}}},
    {
        "name": "huge",
        "required": False,
        "schema": {
            "type": "object",
            "properties": {f"p{number}": {"type": "string"} for number in range(500)},
        },
    },
    *(one for one in VARIABLES if one["name"] == "network"),
]


def filled(
    browser: Chrome,
    server: Sekisho,
    entered: Mapping[str, object],
    variables: list[dict[str, Any]] = VARIABLES,
    present: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """Fill in the form, and return what it sends and shows."""
    browser.get(server.url)
    base = f"/static/{static_files().digest}"
    found: dict[str, Any] = browser.execute_async_script(SCRIPT, base, variables, entered, present)
    return found


def test_only_values_that_differ_from_defaults_are_sent(browser: Chrome, server: Sekisho) -> None:
    found = filled(browser, server, {"region": "eu", "project": "shop"})
    assert found["valid"]
    assert found["values"] == {"region": "eu", "project": "shop"}


def test_values_have_the_types_of_their_schemas(browser: Chrome, server: Sekisho) -> None:
    entered = {
        "region": "us",
        "project": "shop",
        "size": "3",
        "share": "0.5",
        "private": False,
        "audited": "false",
        "zones": "a\n b\n\n",
        "network.pods": "10.0.0.0/8",
        "network.mtu": "1400",
        "labels": "env=prod\nteam = a=b",
        "disks": '[{"gb": 9}]',
    }
    assert filled(browser, server, entered)["values"] == {
        "region": "us",
        "project": "shop",
        "size": 3,
        "share": 0.5,
        "private": False,
        "audited": False,
        "zones": ["a", "b"],
        "network": {"pods": "10.0.0.0/8", "mtu": 1400},
        "labels": {"env": "prod", "team": "a=b"},
        "disks": [{"gb": 9}],
    }


def test_fields_show_what_is_required_grouped_and_refused(browser: Chrome, server: Sekisho) -> None:
    found = filled(browser, server, {"disks": "no JSON"})
    assert not found["valid"]
    assert found["required"] == ["region", "project"]
    assert "region" not in found["optional"]
    assert {"size", "network.pods", "disks"} <= set(found["optional"])
    assert sorted(found["grouped"]) == ["network.mtu", "network.pods"]
    assert "How machines are connected." in found["hints"]
    assert found["values"] == {"disks": "no JSON"}, "the API says what it expects"
    assert found["error"] == "too large"


PRESENT: dict[str, Any] = {
    "region": "asia",
    "size": 4,
    "private": False,
    "zones": ["a", "b"],
    "network": {"pods": "10.0.0.0/8", "mtu": 1400},
    "labels": {"env": "prod", "note": "two\nlines"},
    "disks": [{"gb": 9}],
    "project": "first\nsecond",
    "share": "half",
}
"""Values of an order. Its class has changed since: three values do not fit their schemas."""


def test_values_of_an_order_left_alone_are_not_changed(browser: Chrome, server: Sekisho) -> None:
    found = filled(browser, server, {}, present=PRESENT)
    assert found["valid"]
    assert found["changes"] == {}


def test_changes_of_an_order_are_a_merge_patch(browser: Chrome, server: Sekisho) -> None:
    entered = {
        "region": "eu",
        "size": "",
        "audited": "true",
        "zones": "b",
        "network.mtu": "9000",
        "labels": '{"env": "test"}',
        "share": "0.5",
    }
    assert filled(browser, server, entered, present=PRESENT)["changes"] == {
        "region": "eu",
        "size": None,
        "audited": True,
        "zones": ["b"],
        "network": {"mtu": 9000},
        "labels": {"env": "test", "note": None},
        "share": 0.5,
    }


def test_field_of_an_object_keeps_the_others_of_its_default(
    browser: Chrome, server: Sekisho
) -> None:
    expected = {"network": {"pods": "10.0.0.0/8", "mtu": 1500}}
    found = filled(browser, server, {"network.pods": "10.0.0.0/8"})
    assert found["values"] == expected
    assert found["changes"] == expected


def test_hostile_schemas_get_one_field_each_and_change_nothing_else(
    browser: Chrome, server: Sekisho
) -> None:
    entered = {"__proto__.polluted": "x", "broken": '{"a": 1}', "huge": '{"p1": "y"}'}
    found = filled(browser, server, entered, HOSTILE)
    assert found["values"]["broken"] == {"a": 1}
    assert found["values"]["huge"] == {"p1": "y"}
    assert found["changes"]["huge"] == {"p1": "y"}
    assert browser.execute_script("return ({}).polluted") is None
