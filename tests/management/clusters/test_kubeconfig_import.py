"""Read kubeconfigs, and reject unusable ones with one line each."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from management.clusters.kubeconfig_import import (
    InvalidKubeconfig,
    from_kubeconfig,
    from_service_account,
)

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"

Write = Callable[..., Path]


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes a kubeconfig with one context, and given cluster and user."""

    def write(
        cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None, **top: Any
    ) -> Path:
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "one",
            "contexts": [{"name": "one", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [
                {
                    "name": "c",
                    "cluster": {"server": "https://api.example.test:6443"} | (cluster or {}),
                }
            ],
            "users": [{"name": "u", "user": {"token": "secret"} if user is None else user}],
        } | top
        path = tmp_path / "kubeconfig"
        path.write_text(yaml.safe_dump({key: v for key, v in config.items() if v is not None}))
        return path

    return write


def refusal(path: Path, context: str | None = None) -> str:
    with pytest.raises(InvalidKubeconfig) as caught:
        from_kubeconfig(path, context)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_kubeconfig_with_token_and_ca_is_read(write: Write) -> None:
    access = from_kubeconfig(write({"certificate-authority-data": encoded(PEM)}))
    assert access.endpoint.servers == ("https://api.example.test:6443",)
    assert access.endpoint.ca_pem == PEM
    assert access.credential.token == "secret"


def test_kubeconfig_with_client_certificate_is_read(write: Write) -> None:
    user = {"client-certificate-data": encoded("cert"), "client-key-data": encoded("key")}
    credential = from_kubeconfig(write(user=user)).credential
    assert (credential.token, credential.certificate_pem, credential.key_pem) == (
        None,
        "cert",
        "key",
    )


def test_relative_files_are_read_beside_the_kubeconfig(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    (tmp_path / "pki").mkdir()
    (tmp_path / "pki" / "ca.crt").write_text(PEM)
    (tmp_path / "token").write_text("from-file\n")
    path = write({"certificate-authority": "pki/ca.crt"}, {"tokenFile": "token"})
    access = from_kubeconfig(path)
    assert (access.endpoint.ca_pem, access.credential.token) == (PEM, "from-file")


def test_embedded_data_precedes_a_file_as_in_kubectl(write: Write) -> None:
    path = write({"certificate-authority": "gone", "certificate-authority-data": encoded(PEM)})
    assert from_kubeconfig(path).endpoint.ca_pem == PEM


def test_path_prefix_of_a_server_is_kept(write: Write) -> None:
    path = write({"server": "https://rancher.example.test/k8s/clusters/c-x1/"})
    assert from_kubeconfig(path).endpoint.servers == (
        "https://rancher.example.test/k8s/clusters/c-x1",
    )


def test_ipv6_server_is_accepted(write: Write) -> None:
    path = write({"server": "https://[::1]:6443"})
    assert from_kubeconfig(path).endpoint.servers == ("https://[::1]:6443",)


def test_tls_server_name_is_read(write: Write) -> None:
    path = write({"tls-server-name": "kubernetes"})
    assert from_kubeconfig(path).endpoint.tls_server_name == "kubernetes"


def test_without_a_ca_the_system_decides(write: Write) -> None:
    assert from_kubeconfig(write()).endpoint.ca_pem is None


def test_named_context_is_used(write: Write) -> None:
    contexts = [{"name": "two", "context": {"cluster": "c", "user": "u"}}]
    path = write(**{"current-context": None, "contexts": contexts})
    assert from_kubeconfig(path, "two").credential.token == "secret"


def test_missing_current_context_lists_the_contexts(write: Write) -> None:
    message = refusal(write(**{"current-context": None}))
    assert "no current context" in message
    assert "--context" in message
    assert "one" in message


@pytest.mark.parametrize(
    ("cluster", "said"),
    [
        ({"insecure-skip-tls-verify": True}, "insecure-skip-tls-verify"),
        ({"proxy-url": "http://proxy"}, "proxy-url"),
        ({"server": "http://api.example.test"}, "https://"),
        ({"server": "https://api.example.test:99999"}, "not a URL"),
        ({"server": "https://u:p@api.example.test"}, "https://host"),
        ({"server": "https://api.example.test?x=1"}, "https://host"),
        ({"server": ""}, "server"),
        ({"server": 7}, "server"),
        ({"certificate-authority-data": "*"}, "not base64"),
        ({"certificate-authority": "gone.crt"}, "gone.crt"),
    ],
)
def test_unusable_cluster_entry_is_rejected(
    write: Write, cluster: dict[str, Any], said: str
) -> None:
    with pytest.raises(Exception, match=said) as caught:
        from_kubeconfig(write(cluster))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ({"exec": {"command": "aws", "args": ["eks"]}}, "aws"),
        ({"exec": {"command": "aws"}, "token": "also"}, "runs no code"),
        ({"auth-provider": {"name": "gcp"}}, "gcp"),
        ({"username": "admin", "password": "secret"}, "username and password"),
        ({"client-certificate-data": encoded("cert")}, "client-key"),
        ({"client-key-data": encoded("key")}, "client-certificate"),
        ({"tokenFile": "gone"}, "gone"),
        ({"token": "two words"}, "white space"),
        ({"token": "line\nbreak"}, "characters"),
        ({"token": "t", "as": "other-user"}, "impersonates"),
        ({}, "neither"),
    ],
)
def test_unusable_user_entry_is_rejected(write: Write, user: dict[str, Any], said: str) -> None:
    message = refusal(write(user=user))
    assert said in message
    assert "secret" not in message


@pytest.mark.parametrize(
    ("top", "context", "said"),
    [
        ({}, "other", 'no context "other"'),
        ({"contexts": []}, None, "it has none"),
        ({"clusters": []}, None, 'cluster of context "one" is "c", which is not in the file'),
        ({"users": []}, None, 'user of context "one" is "u", which is not in the file'),
        ({"contexts": [{"name": "one", "context": {}}]}, None, "is none"),
        ({"contexts": {"one": {}}}, None, "not a list"),
        ({"clusters": ["c"]}, None, "no name"),
        ({"kind": "Pod"}, None, "not a kubeconfig"),
    ],
)
def test_inconsistent_kubeconfig_is_rejected(
    write: Write, top: dict[str, Any], context: str | None, said: str
) -> None:
    assert said in refusal(write(**top), context)


def test_control_characters_in_names_are_replaced(write: Write) -> None:
    message = refusal(write(**{"current-context": "one\n\x1b[2Jtwo"}))
    assert "\x1b" not in message


@pytest.mark.parametrize("text", ["", "just words", "- a\n- list\n", "a: [", "\t{", "a: *b"])
def test_other_file_is_rejected(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    assert str(path) in refusal(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    assert "gone" in refusal(tmp_path / "gone")


def test_binary_file_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_bytes(b"\xff\xfe\x00")
    assert "not text" in refusal(path)


@pytest.mark.parametrize(
    ("host", "server"),
    [("10.96.0.1", "https://10.96.0.1:443"), ("fd00::1", "https://[fd00::1]:443")],
)
def test_service_account_in_a_pod_is_read(tmp_path: Path, host: str, server: str) -> None:
    (tmp_path / "token").write_text("pod-token")
    (tmp_path / "ca.crt").write_text(PEM)
    environment = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": "443"}
    access = from_service_account(tmp_path, environment)
    assert access.endpoint.servers == (server,)
    assert (access.endpoint.ca_pem, access.credential.token) == (PEM, "pod-token")


def test_service_account_outside_a_pod_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(InvalidKubeconfig, match="not the inside of a cluster"):
        from_service_account(tmp_path, {"KUBERNETES_SERVICE_HOST": "10.96.0.1"})
