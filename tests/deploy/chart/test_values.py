"""The chart's values: each documented, and refused where they cannot work or are not secure."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel, SecretStr

from config.settings import Settings
from deploy.render_chart import MANIFESTS, documented, made, readme
from providers.discovery import discover
from tests.deploy.chart.values import MATRIX, OIDC, POSTGRESQL, SQLITE, changed
from tests.support.helm import CHART, Helm, Refused

ROOT = Path(__file__).parents[3]
VALUES = (CHART / "values.yaml").read_text()
SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def leaves(values: Mapping[str, Any], schema: Mapping[str, Any], at: str = "") -> Iterator[str]:
    """Yield the dotted path of each value that the schema does not divide further."""
    for name, value in values.items():
        inner = schema["properties"][name]
        if isinstance(value, dict) and value and "properties" in inner:
            yield from leaves(value, inner, f"{at}{name}.")
        else:
            yield at + name


def schema_paths(schema: Mapping[str, Any], at: str = "") -> Iterator[str]:
    for name, inner in schema["properties"].items():
        if inner.get("additionalProperties") is False and inner.get("properties"):
            yield from schema_paths(inner, f"{at}{name}.")
        else:
            yield at + name


def test_every_value_has_a_comment() -> None:
    paths = {path for path, _ in documented(VALUES)}
    assert set(leaves(yaml.safe_load(VALUES), SCHEMA)) - paths == set()


def test_every_value_of_the_schema_has_a_default() -> None:
    # Helm itself sets `global`.
    assert set(schema_paths(SCHEMA)) - {"global"} == set(leaves(yaml.safe_load(VALUES), SCHEMA))


def test_table_of_values_is_current() -> None:
    assert (CHART / "README.md").read_text() == readme(), "run `make chart`"


def test_manifests_are_current(helm: Helm) -> None:
    for file, text in made(helm.program).items():
        assert file.read_text() == text, f"{file} is not current; run `make chart`"


def test_every_manifest_is_made_from_values() -> None:
    files = {file.name for file in MANIFESTS.iterdir()}
    named = {name for name in files if name.endswith(".values.yaml")}
    assert files - named == {name.replace(".values", "") for name in named}


def test_chart_has_the_version_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == project["version"]


def test_render_without_helm_says_what_to_run(tmp_path: Path) -> None:
    script, missing = ROOT / "deploy/render_chart.py", tmp_path / "helm"
    command = [sys.executable, str(script), "--helm", str(missing)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.endswith("does not exist; run `make chart`\n")


@pytest.mark.parametrize("values", [MATRIX["sqlite"], MATRIX["everything"]], ids=["few", "all"])
def test_lint_of_the_chart_finds_nothing(helm: Helm, values: dict[str, Any]) -> None:
    assert "0 chart(s) failed" in helm.lint(values)


REFUSED = {
    "no registry": (changed(SQLITE, "images.registry", ""), "/images/registry"),
    "no URL": (changed(SQLITE, "externalUrl", ""), "/externalUrl"),
    "plain URL": (changed(SQLITE, "externalUrl", "http://a.example"), "/externalUrl"),
    "URL with a path": (changed(SQLITE, "externalUrl", "https://a.example/x"), "/externalUrl"),
    "misspelt value": (changed(SQLITE, "replica", 1), "'replica' not allowed"),
    "several replicas on SQLite": (changed(SQLITE, "replicas", 2), "/replicas"),
    "autoscaling on SQLite": (changed(SQLITE, "autoscaling.enabled", True), "/autoscaling"),
    "migration job on SQLite": (changed(SQLITE, "migrations.mode", "job"), "/migrations/mode"),
    "controllers apart on SQLite": (
        changed(SQLITE, "controllers.mode", "separate"),
        "/controllers",
    ),
    "database URL in the values": (
        changed(POSTGRESQL, "database.postgresql.url", "postgresql://a:b@c/d"),
        "'url' not allowed",
    ),
    "database URL in the configuration": (
        changed(POSTGRESQL, "config.store.url", "postgresql://a:b@c/d"),
        "/config/store/url",
    ),
    "no database URL": (changed(POSTGRESQL, "database.postgresql.urlSecret.name", ""), "urlSecret"),
    "no common keys": (changed(POSTGRESQL, "encryption.secret.name", ""), "/encryption/secret"),
    "a CA for each replica": (changed(POSTGRESQL, "tls.source", "sekisho"), "/tls/source"),
    "audit log in a lost file": (changed(POSTGRESQL, "audit.output", "file"), "audit"),
    "plain HTTP for all": (changed(SQLITE, "tls.source", "none"), "/networkPolicy"),
    "passthrough of plain HTTP": (
        changed(MATRIX["ingress that ends TLS, plain behind it"], "ingress.mode", "passthrough"),
        "/tls/source",
    ),
    "hidden addresses": (
        changed(MATRIX["ingress that ends TLS, TLS behind it"], "server.trustedProxies", []),
        "/server/trustedProxies",
    ),
    "metrics for all": (changed(SQLITE, "networkPolicy.enabled", False), "/metrics/open"),
    "metrics that Prometheus cannot reach": (
        changed(SQLITE, "monitoring.serviceMonitor.enabled", True),
        "/networkPolicy/metricsFrom",
    ),
    "metrics with a certificate of Sekisho's CA": (
        changed(SQLITE, "metrics.tls", True),
        "/tls/source",
    ),
    "route without a Gateway": (changed(SQLITE, "gateway.enabled", True), "/gateway/parentRefs"),
    "backups without a passphrase": (
        changed(SQLITE, "backup.enabled", True),
        "/backup/passphraseSecret/name",
    ),
    "backups at no time": (changed(SQLITE, "backup.schedule", "daily"), "/backup/schedule"),
    "network policy without a word": (
        changed(SQLITE, "networkPolicy.enabled", None),
        "missing property 'enabled'",
    ),
    "TLS without a word": (changed(SQLITE, "tls.source", None), "missing property 'source'"),
    "no group of values": (changed(SQLITE, "metrics", None), "missing property 'metrics'"),
    "label of the selector": (
        changed(SQLITE, "podLabels", {"app.kubernetes.io/instance": "another"}),
        "/podLabels",
    ),
    "label that the chart sets": (
        changed(SQLITE, "commonLabels", {"app.kubernetes.io/name": "another"}),
        "/commonLabels",
    ),
    "every client as a proxy": (
        changed(SQLITE, "server.trustedProxies", ["10.0.0.0/8", "0.0.0.0/0"]),
        "/server/trustedProxies/1",
    ),
    "secret in another folder": (
        changed(SQLITE, "providers", [{**OIDC, "secrets": {"../x": {"secret": "a", "key": "b"}}}]),
        "'../x' not allowed",
    ),
    "issuer without a name": (
        changed(POSTGRESQL, "tls.certManager.issuerRef.name", ""),
        "/tls/certManager/issuerRef/name",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_values_that_cannot_work_are_refused_with_their_place(helm: Helm, what: str) -> None:
    values, message = REFUSED[what]
    with pytest.raises(Refused, match=re.escape(message)):
        helm.text(values)


def sections_of(schema: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, Any]]:
    yield at, schema
    for name, inner in schema["properties"].items():
        if inner.get("additionalProperties") is False and inner.get("properties"):
            yield from sections_of(inner, f"{at}{name}.")


def test_values_that_are_deleted_by_null_are_refused() -> None:
    # Helm deletes a default by null. A rule that compares values would then not apply.
    for path, section in sections_of(SCHEMA):
        assert set(section["required"]) == set(section["properties"]) - {"global"}, path


def secrets_of(model: type[BaseModel], at: str = "config") -> Iterator[str]:
    for name, field in model.model_fields.items():
        kinds = (field.annotation, *get_args(field.annotation))
        if SecretStr in kinds:
            yield f"{at}.{name}"
        for one in kinds:
            if isinstance(one, type) and issubclass(one, BaseModel):
                yield from secrets_of(one, f"{at}.{name}")


def test_secrets_in_the_configuration_are_refused(helm: Helm) -> None:
    found = list(secrets_of(Settings))
    assert "config.backup.passphrase" in found
    for path in found:
        with pytest.raises(Refused, match="/config"):
            helm.text(changed(SQLITE, path, "a secret text of sixteen"))


def test_secrets_of_providers_in_the_values_are_refused(helm: Helm) -> None:
    refused = SCHEMA["properties"]["providers"]["items"]["patternProperties"]
    [pattern] = refused
    for kind, entry_point in discover().items():
        for name, field in entry_point.load().settings_model.model_fields.items():
            secret = SecretStr in (field.annotation, *get_args(field.annotation))
            assert bool(re.search(pattern, name)) == secret, (kind, name)
    github = {"type": "github", "name": "github", "client_id": "x", "client_secret": "y"}
    with pytest.raises(Refused, match="/providers/0/client_secret"):
        helm.text(changed(SQLITE, "providers", [github]))
