"""Reading kubeconfigs, and refusing those that can't be used with one line each."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from management.import_kubeconfig import BadKubeconfig, from_inside, from_kubeconfig

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"

Write = Callable[..., Path]


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a kubeconfig with one context, in which ``cluster`` and ``user`` can be changed."""

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
    with pytest.raises(BadKubeconfig) as caught:
        from_kubeconfig(path, context)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_token_and_a_ca_are_read(write: Write) -> None:
    access = from_kubeconfig(write({"certificate-authority-data": encoded(PEM)}))
    assert access.endpoint.servers == ("https://api.example.test:6443",)
    assert access.endpoint.ca_pem == PEM
    assert access.credential.token == "secret"


def test_a_client_certificate_is_read(write: Write) -> None:
    user = {"client-certificate-data": encoded("cert"), "client-key-data": encoded("key")}
    credential = from_kubeconfig(write(user=user)).credential
    assert (credential.token, credential.certificate_pem, credential.key_pem) == (
        None,
        "cert",
        "key",
    )


def test_files_are_found_beside_the_kubeconfig(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    (tmp_path / "pki").mkdir()
    (tmp_path / "pki" / "ca.crt").write_text(PEM)
    (tmp_path / "token").write_text("from-file\n")
    path = write({"certificate-authority": "pki/ca.crt"}, {"tokenFile": "token"})
    access = from_kubeconfig(path)
    assert (access.endpoint.ca_pem, access.credential.token) == (PEM, "from-file")


def test_data_goes_before_a_file_as_in_kubectl(write: Write) -> None:
    path = write({"certificate-authority": "gone", "certificate-authority-data": encoded(PEM)})
    assert from_kubeconfig(path).endpoint.ca_pem == PEM


def test_a_path_before_the_api_is_kept(write: Write) -> None:
    path = write({"server": "https://rancher.example.test/k8s/clusters/c-x1/"})
    assert from_kubeconfig(path).endpoint.servers == (
        "https://rancher.example.test/k8s/clusters/c-x1",
    )


def test_an_ipv6_address_is_a_server(write: Write) -> None:
    path = write({"server": "https://[::1]:6443"})
    assert from_kubeconfig(path).endpoint.servers == ("https://[::1]:6443",)


def test_the_name_in_the_certificate_is_read(write: Write) -> None:
    path = write({"tls-server-name": "kubernetes"})
    assert from_kubeconfig(path).endpoint.tls_server_name == "kubernetes"


def test_without_a_ca_the_system_decides(write: Write) -> None:
    assert from_kubeconfig(write()).endpoint.ca_pem is None


def test_another_context_can_be_chosen(write: Write) -> None:
    contexts = [{"name": "two", "context": {"cluster": "c", "user": "u"}}]
    path = write(**{"current-context": None, "contexts": contexts})
    assert from_kubeconfig(path, "two").credential.token == "secret"


def test_without_a_current_context_the_contexts_are_listed(write: Write) -> None:
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
def test_a_cluster_that_can_not_be_used_is_refused(
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
        ({"token": "t", "as": "somebody"}, "impersonates"),
        ({}, "neither"),
    ],
)
def test_a_user_that_can_not_be_used_is_refused(
    write: Write, user: dict[str, Any], said: str
) -> None:
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
def test_a_file_that_does_not_hang_together_is_refused(
    write: Write, top: dict[str, Any], context: str | None, said: str
) -> None:
    assert said in refusal(write(**top), context)


def test_names_in_a_kubeconfig_can_not_steer_a_terminal(write: Write) -> None:
    message = refusal(write(**{"current-context": "one\n\x1b[2Jtwo"}))
    assert "\x1b" not in message


@pytest.mark.parametrize("text", ["", "just words", "- a\n- list\n", "a: [", "\t{", "a: *b"])
def test_what_is_not_a_kubeconfig_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    assert str(path) in refusal(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "gone" in refusal(tmp_path / "gone")


def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_bytes(b"\xff\xfe\x00")
    assert "not text" in refusal(path)


@pytest.mark.parametrize(
    ("host", "server"),
    [("10.96.0.1", "https://10.96.0.1:443"), ("fd00::1", "https://[fd00::1]:443")],
)
def test_a_pod_finds_its_own_cluster(tmp_path: Path, host: str, server: str) -> None:
    (tmp_path / "token").write_text("pod-token")
    (tmp_path / "ca.crt").write_text(PEM)
    environment = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": "443"}
    access = from_inside(tmp_path, environment)
    assert access.endpoint.servers == (server,)
    assert (access.endpoint.ca_pem, access.credential.token) == (PEM, "pod-token")


def test_outside_a_cluster_there_is_no_inside(tmp_path: Path) -> None:
    with pytest.raises(BadKubeconfig, match="not the inside of a cluster"):
        from_inside(tmp_path, {"KUBERNETES_SERVICE_HOST": "10.96.0.1"})
