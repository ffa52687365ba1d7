"""Tests of the documentation of providers' settings."""

import re
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [DOCS / "providers.md", DOCS / "ci.md", *DOCS.glob("providers/*.md")]
TEXT = "\n".join(page.read_text() for page in PAGES)
TYPES = {one.name: one.load() for one in entry_points(group="sekisho.providers")}


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models in a type, and those in their fields."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from models(field.annotation)
    for part in get_args(annotation):
        yield from models(part)


@pytest.mark.parametrize("name", sorted(TYPES))
def test_every_provider_setting_is_documented(name: str) -> None:
    settings = {
        field for model in models(TYPES[name].settings_model) for field in model.model_fields
    }
    assert sorted(one for one in settings if not re.search(rf"\b{one}\b", TEXT)) == []
