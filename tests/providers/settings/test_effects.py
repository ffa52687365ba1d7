"""Tests of the effects of changed settings, for every type and a plug-in."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from providers.discovery import discover
from providers.settings.certificates import CertificateSettings
from providers.settings.effects import (
    EVERYTHING,
    Effect,
    backend_of,
    changed_effects,
    effects_of,
    missing_secrets,
    named_files,
    secret_paths,
)

TYPES = {name: found.load() for name, found in discover().items()}
MODELS: dict[str, type[BaseModel]] = {name: kind.settings_model for name, kind in TYPES.items()}

DESTINATIONS = ("server", "host", "url", "issuer", "proxy", "ca_", "tls", "plain", "endpoint")
"""Parts of names of settings that determine where secrets are sent."""

NO_DESTINATIONS = {"github.app"}


@pytest.mark.parametrize("name", MODELS)
def test_every_setting_declares_what_it_affects(name: str) -> None:
    model = MODELS[name]
    declared = set().union(*(vars(base).get("EFFECTS", {}) for base in model.__mro__))
    secrets = {path[0] for path in secret_paths(model)}
    assert set(model.model_fields) == declared | secrets
    assert not declared & secrets


@pytest.mark.parametrize("name", MODELS)
def test_every_destination_of_secrets_is_declared(name: str) -> None:
    model = MODELS[name]
    effects = effects_of(model)
    named = {one for one in effects if any(part in one for part in DESTINATIONS)}
    for one in named:
        assert effects[one] & Effect.DESTINATION, f"{name}.{one} determines where secrets are sent"
    if secret_paths(model):
        assert named


@pytest.mark.parametrize("name", [one for one in MODELS if "proxy" in MODELS[one].model_fields])
def test_proxy_is_refused_if_its_account_could_not_be_recognised_and_masked(name: str) -> None:
    for url in ("me:hush@proxy:3128", "http://me:20/hush@proxy:3128"):
        with pytest.raises(ValidationError) as caught:
            MODELS[name].model_validate({"proxy": url})
        assert ("proxy",) in [one["loc"] for one in caught.value.errors()]


@pytest.mark.parametrize("name", [one for one in MODELS if one != "local"])
def test_every_provider_type_declares_its_backend(name: str) -> None:
    backend = [one for one, effect in effects_of(MODELS[name]).items() if effect & Effect.BACKEND]
    assert backend


class PlugIn(BaseModel):
    """Settings of a provider type that declares no effects."""

    class Nested(BaseModel):
        """Nested settings with a secret."""

        token: SecretStr | None = None
        ca_file: Path | None = None

    colour: str = "red"
    password: SecretStr | None = None
    nested: Nested | None = None
    keys: list[SecretStr] = []
    template: Path | None = None
    words_file: str | None = None


def test_plug_in_without_declared_effects_fails_closed() -> None:
    before, after = PlugIn(), PlugIn(colour="blue")
    assert changed_effects(PlugIn, before, after) == EVERYTHING
    assert backend_of("x", before) != backend_of("x", after)
    assert changed_effects(PlugIn, before, PlugIn(password=SecretStr("x"))) == Effect.NONE


@pytest.mark.parametrize(
    ("merged", "given", "missing"),
    [
        ({}, {}, []),
        ({"password": "x"}, {}, ["password"]),
        ({"password": "x"}, {"password": "x"}, []),
        ({"nested": {"token": "x"}}, {"nested": {"ca_file": "/x"}}, ["nested.token"]),
        ({"nested": {"token": "x"}}, {"nested": {"token": "y"}}, []),
        ({"keys": ["x"]}, {}, ["keys"]),
        ({"keys": ["x"]}, {"keys": ["y"]}, []),
    ],
)
def test_secrets_missing_in_change_are_named(
    merged: dict[str, Any], given: dict[str, Any], missing: list[str]
) -> None:
    assert missing_secrets(PlugIn, merged, given) == missing


@pytest.mark.parametrize(
    ("values", "files"),
    [
        ({"colour": "red"}, []),
        ({"template": "/etc/passwd"}, ["template"]),
        ({"words_file": "/etc/passwd"}, ["words_file"]),
        ({"nested": {"ca_file": "/etc/passwd"}}, ["nested.ca_file"]),
        ({"unknown": {"key_file": "/etc/passwd"}}, ["unknown.key_file"]),
        ({"template": None}, []),
    ],
)
def test_named_files_returns_settings_with_paths(values: dict[str, Any], files: list[str]) -> None:
    assert named_files(PlugIn, values) == files


@pytest.mark.parametrize("name", MODELS)
def test_named_files_finds_every_path_setting_of_every_type(name: str) -> None:
    def paths(model: type[BaseModel]) -> set[str]:
        return {one for one, info in model.model_fields.items() if "Path" in str(info.annotation)}

    for one in paths(MODELS[name]):
        assert named_files(MODELS[name], {one: "/etc/passwd"}) == [one]


def test_invalid_ca_pem_is_rejected() -> None:
    with pytest.raises(ValueError, match="PEM"):
        CertificateSettings(ca_pem="no certificate")
    with pytest.raises(ValueError, match="PEM"):
        CertificateSettings(ca_pem="")
