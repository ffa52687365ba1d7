"""The configuration that the chart renders is one that Sekisho accepts."""

import secrets
from base64 import b64encode
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from proxy.startup.configuration import LoadedConfig, load_config
from proxy.transport.certificates import create_authority, issue_server
from tests.deploy.chart.values import MATRIX, changed
from tests.support.helm import Helm, only
from tests.support.rendered_pod import pod_of

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def contents() -> dict[str, dict[str, str]]:
    """Return all Secrets and ConfigMaps that operators make; each has every key."""
    now = datetime.now(UTC)
    authority = create_authority("test", lifetime=DAY, now=now)
    pair = issue_server(authority, common_name="a", names=["a.example"], lifetime=DAY, now=now)
    keys = b64encode(secrets.token_bytes(32)).decode()
    every = {
        "tls.crt": pair.certificate_pem.decode(),
        "tls.key": pair.key_pem.decode(),
        "ca.crt": authority.certificate_pem.decode(),
        "url": "postgresql://sekisho@database/sekisho",
        "client-secret": "a secret",
        "token": secrets.token_hex(32),
        "keys": keys,
        "current": keys,
    }
    return defaultdict(lambda: every)


def loaded(
    helm: Helm, name: str, contents: dict[str, dict[str, str]], folder: Path
) -> LoadedConfig:
    pod = pod_of(helm.objects(MATRIX[name]), "Deployment", "sekisho", folder / "pod", contents)
    return load_config(None, pod.environment)


@pytest.mark.parametrize("name", MATRIX)
def test_rendered_configuration_is_valid(
    helm: Helm, contents: dict[str, dict[str, str]], tmp_path: Path, name: str
) -> None:
    values = MATRIX[name]
    settings = loaded(helm, name, contents, tmp_path).settings
    assert settings.external_url == values["externalUrl"]
    assert settings.server.shutdown_delay == timedelta(seconds=10)
    source = values.get("tls", {}).get("source", "sekisho")
    assert (settings.server.tls.cert_file is not None) == (source in {"secret", "certManager"})
    assert settings.server.tls.plain_http == (source == "none")
    postgresql = values.get("database", {}).get("type") == "postgresql"
    assert settings.store_url.startswith("postgresql") == postgresql
    assert (settings.peering.listen is not None) == postgresql
    with_token = "token" in values.get("metrics", {})
    assert (settings.metrics.token is not None) == with_token
    assert (settings.store.encryption_keys is not None) == ("encryption" in values)


def test_secrets_of_providers_are_read_from_their_files(
    helm: Helm, contents: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    corp = loaded(helm, "everything", contents, tmp_path).providers[1]
    assert corp.settings.model_dump()["client_secret"].get_secret_value() == "a secret"


def test_more_settings_do_not_replace_those_of_the_chart(helm: Helm) -> None:
    values = changed(MATRIX["everything"], "config", {"server": {"idle_timeout": "33s"}})
    text = only(helm.objects(values), "ConfigMap", "sekisho")["data"]["sekisho.yaml"]
    server = yaml.safe_load(text)["server"]
    assert server["idle_timeout"] == "33s"
    assert server["workers"] == 2
