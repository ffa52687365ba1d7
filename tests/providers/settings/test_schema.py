"""The JSON schema of a provider type's settings."""

import json
from pathlib import Path
from typing import Annotated, ClassVar

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field, SecretStr

from providers.discovery import discover
from providers.settings.effects import Effect
from providers.settings.schema import MAX_DESCRIPTION, field_descriptions, settings_schema

MODELS = {name: found.load().settings_model for name, found in discover().items()}


class Server(BaseModel):
    """One server."""

    address: str
    """Where it is."""

    key_file: Path | None = None


class PlugIn(BaseModel):
    """Settings of another package."""

    EFFECTS: ClassVar[dict[str, Effect]] = {}

    servers: tuple[Server, ...]
    password: SecretStr
    log_path: str = ""
    size: Annotated[int, Field(ge=1, description="In ``MiB``.")] = 4
    """Not this text: the field has its own."""


class Longer(PlugIn):
    """A subclass."""

    size: int = 8
    """One
    or two lines."""


@pytest.mark.parametrize("name", MODELS)
def test_schema_of_every_type_is_valid_and_names_no_files(name: str) -> None:
    schema = settings_schema(MODELS[name])
    Draft202012Validator.check_schema(schema)
    assert not [one for one in schema["properties"] if one.endswith("_file")]
    assert schema["secrets"] == [
        one
        for one in ("bind_password", "client_secret", "search_token")
        if one in schema["properties"]
    ]


@pytest.mark.parametrize("name", [one for one in MODELS if one != "local"])
def test_schema_of_every_type_describes_settings_and_writes_durations_with_a_unit(
    name: str,
) -> None:
    properties = settings_schema(MODELS[name])["properties"]
    described = [one for one in properties.values() if one.get("description")]
    assert len(described) * 3 >= len(properties)
    assert "PT" not in json.dumps(properties)


def test_description_is_the_docstring_below_the_field_or_the_fields_own() -> None:
    properties = settings_schema(PlugIn)["properties"]
    assert properties["size"]["description"] == "In MiB."
    assert "description" not in properties["password"]
    assert settings_schema(PlugIn)["$defs"]["Server"]["properties"] == {
        "address": {"title": "Address", "type": "string", "description": "Where it is."}
    }


def test_description_of_a_subclass_takes_precedence_and_is_one_line() -> None:
    assert settings_schema(Longer)["properties"]["size"]["description"] == "One or two lines."


def test_setting_that_names_a_file_by_type_or_name_is_left_out() -> None:
    assert set(settings_schema(PlugIn)["properties"]) == {"servers", "password", "size"}


def test_secrets_are_listed_by_path() -> None:
    assert settings_schema(PlugIn)["secrets"] == ["password"]


def test_model_without_source_has_no_descriptions() -> None:
    made = type("Made", (BaseModel,), {"__annotations__": {"one": str}, "__module__": "nowhere"})
    assert field_descriptions(made) == {}
    assert settings_schema(made)["properties"]["one"] == {"title": "One", "type": "string"}


def test_long_description_is_cut() -> None:
    class Long(BaseModel):
        one: Annotated[str, Field(description="x" * 10_000)]

    assert len(settings_schema(Long)["properties"]["one"]["description"]) == MAX_DESCRIPTION
