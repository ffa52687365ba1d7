"""Displayed names contain no invisible characters, in any body of any endpoint."""

from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from impersonation.display_names import one_line, trimmed
from management.api.v1.route_table import TABLE
from tests.management.api.conftest import Api

HIDDEN = {
    "bell": "\a",
    "line feed": "\n",
    "delete": "\x7f",
    "next line": "\x85",
    "soft hyphen": "\u00ad",
    "arabic letter mark": "\u061c",
    "zero width space": "\u200b",
    "zero width joiner": "\u200d",
    "right-to-left mark": "\u200f",
    "line separator": "\u2028",
    "right-to-left override": "\u202e",
    "word joiner": "\u2060",
    "isolate": "\u2066",
    "byte order mark": "\ufeff",
    "hangul filler": "\u3164",
    "variation selector": "\ufe0f",
    "tag": "\U000e0041",
    "no-break space": "\u00a0",
    "private use": "\ue000",
}

NOT_SHOWN = {
    "Login.username": "compared, not stored",
    "Link.username": "compared, not stored",
    "Link.provider": "compared, not stored",
    "NewProvider.settings": "checked by the provider's own model",
    "ProviderChange.settings": "checked by the provider's own model",
    "ProviderTest.settings": "checked by the provider's own model",
    "ProviderTest.username": "compared, not stored",
    "ProviderTrial.settings": "checked by the provider's own model",
    "ProviderTrial.username": "compared, not stored",
    "NewCluster.kubeconfig": "a file",
    "ClusterSpec.ca_pem": "a file",
    "ClusterSpec.context": "compared, not stored",
    "ClusterSpec.servers": "URLs, checked as such",
    "Registration.code": "sealed",
    "Registration.ca_pem": "a file",
    "NewManifest.manifest": "a file",
    "ManifestForClusters.manifest": "a file",
    "NewOrder.variables": "checked by the class's schema, and values of any kind",
    "OrderChange.variables": "checked by the class's schema, and values of any kind",
    "NewNamespace.annotations": "for programs: may have lines",
}


def fields() -> Iterator[tuple[str, Any]]:
    """Yield every text field of every request body with its type."""
    seen: set[type[BaseModel]] = set()
    waiting = [one.description.body for one in TABLE if one.description.body is not None]
    while waiting:
        model = waiting.pop()
        if model in seen:
            continue
        seen.add(model)
        for name, field in model.model_fields.items():
            whole = (
                Annotated[(field.annotation, *field.metadata)]
                if field.metadata
                else field.annotation
            )
            waiting += models_in(field.annotation)
            for text in texts_in(whole):
                yield f"{model.__name__}.{name}", text


def models_in(kind: Any) -> list[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind]
    return [found for one in get_args(kind) for found in models_in(one)]


def texts_in(kind: Any) -> list[Any]:
    """Return the text types inside a type: of a list's items, a mapping's keys and values."""
    if kind is str:
        return [str]
    if get_origin(kind) is Annotated:
        inner = get_args(kind)[0]
        return [kind] if inner is str else texts_in(inner)
    return [found for one in get_args(kind) for found in texts_in(one)]


def takes(kind: Any, text: str) -> bool:
    try:
        TypeAdapter(kind).validate_python(text)
    except ValidationError:
        return False
    return True


FIELDS = sorted(fields(), key=lambda one: one[0])


def test_field_walk_finds_the_names() -> None:
    found = {name for name, _ in FIELDS}
    assert {
        "NewProject.name",
        "NewRole.name",
        "NewUser.display_name",
        "NewUser.username",
        "NewCluster.name",
        "NewBinding.name",
        "NewToken.description",
        "NewNamespace.labels",
        "RuleModel.verbs",
    } <= found
    assert found >= set(NOT_SHOWN)


SHOWN = [one for one in FIELDS if one[0] not in NOT_SHOWN]


@pytest.mark.parametrize(("name", "kind"), SHOWN, ids=[name for name, _ in SHOWN])
def test_name_fields_reject_invisible_characters(name: str, kind: Any) -> None:
    for said, hidden in HIDDEN.items():
        for text in (f"a{hidden}b", f"a{hidden}", f"{hidden}a"):
            assert not takes(kind, text), f"{name} takes {said}"


@pytest.mark.parametrize("good", ["shop", "Größe", "店 一", "Ω-1", "naïve (2)", "пример", "🚀"])
def test_name_fields_accept_visible_characters(good: str) -> None:
    assert one_line(good) == trimmed(good) == good


@pytest.mark.parametrize("bad", [" x", "x ", " "])
def test_name_fields_reject_surrounding_spaces(bad: str) -> None:
    with pytest.raises(ValueError, match="space"):
        trimmed(bad)


async def test_rejection_names_the_field_and_the_character(api: Api) -> None:
    body = {"name": "sh\u202eop", "cluster": "prod"}
    response = await api("c-owner", "POST", "/v1/projects", body)
    assert response.status == 422
    assert "name" in response.body["detail"]
    assert "U+202E" in response.body["detail"]
