"""Only one context of a kubeconfig is sent, with the content of its files."""

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.cli.common import CommandFailed
from proxy.cli.verbs.sent_kubeconfig import sent_kubeconfig


def config(**user: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "contexts": [
            {"name": "one", "context": {"cluster": "c1", "user": "u1", "namespace": "x"}},
            {"name": "two", "context": {"cluster": "c2", "user": "u2"}},
        ],
        "clusters": [
            {"name": "c1", "cluster": {"server": "https://one", "certificate-authority": "ca.crt"}},
            {"name": "c2", "cluster": {"server": "https://two"}},
        ],
        "users": [
            {"name": "u1", "user": user or {"token": "first-secret"}},
            {"name": "u2", "user": {"token": "second-secret"}},
        ],
    }


def write(folder: Path, data: object) -> Path:
    (folder / "ca.crt").write_text("a CA")
    file = folder / "config"
    file.write_text(yaml.safe_dump(data))
    return file


def test_only_the_chosen_context_is_sent(tmp_path: Path) -> None:
    file = write(tmp_path, config())
    text = sent_kubeconfig(file, None)
    assert "first-secret" in text
    assert "second" not in text
    assert "two" not in text
    [cluster] = yaml.safe_load(text)["clusters"]
    encoded = base64.b64encode(b"a CA").decode()
    assert cluster["cluster"] == {
        "server": "https://one",
        "certificate-authority-data": encoded,
    }
    assert "first-secret" not in sent_kubeconfig(file, "two")


def test_files_of_the_user_are_put_in(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from a file\n")
    (tmp_path / "key").write_text("a key")
    user = {"tokenFile": "token", "client-key": str(tmp_path / "key")}
    text = sent_kubeconfig(write(tmp_path, config(**user)), None)
    [sent] = yaml.safe_load(text)["users"]
    assert sent["user"] == {
        "token": "from a file",
        "client-key-data": base64.b64encode(b"a key").decode(),
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"current-context": "three"}, "choose a context with --context; it has one, two"),
        ({"current-context": 7}, "choose a context"),
        ({"contexts": 7}, "is not a kubeconfig; see its contexts"),
        ({"contexts": [{"name": "one", "context": 7}]}, "is not a kubeconfig"),
        ({"users": []}, "the user of context one is missing"),
        ({"users": [{"name": "u1", "user": {"exec": {}}}]}, "from a program"),
        ({"users": [{"name": "u1", "user": {"tokenFile": "none"}}]}, "no such file"),
        ({"users": [{"name": "u1", "user": {"tokenFile": "a\0b"}}]}, "is not a file name"),
    ],
)
def test_unusable_kubeconfig_is_reported_with_its_name(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    file = write(tmp_path, {**config(), **change})
    with pytest.raises(CommandFailed) as failed:
        sent_kubeconfig(file, None)
    assert message in str(failed.value)
    assert str(file) in str(failed.value)
