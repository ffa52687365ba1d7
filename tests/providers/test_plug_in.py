"""Tests of a provider in another package."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.providers.test_conformance import EXAMPLE
from tests.support.sekisho import Sekisho, free_port, make_sekisho, running


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Install the example package with pip. Return its folder."""
    source, target = tmp_path / "source", tmp_path / "site"
    shutil.copytree(EXAMPLE, source)
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"),
            *("--no-build-isolation", "--target", str(target), str(source)),
        ],
        check=True,
        capture_output=True,
    )
    return target


@pytest.fixture
def sekisho(tmp_path: Path, installed: Path) -> Iterator[Sekisho]:
    (tmp_path / "secret").write_text("sesame open\n")
    server = make_sekisho(
        tmp_path,
        (free_port(), free_port()),
        "providers:\n"
        "- {type: local, name: local}\n"
        "- {type: example, name: corp, username: zoe, password_file: secret}\n",
    )
    server.environment["PYTHONPATH"] = str(installed)
    with running(server):
        yield server


def test_user_signs_in_with_installed_provider(sekisho: Sekisho) -> None:
    names = [one["name"] for one in sekisho.request("GET", "/v1/providers").json()["items"]]
    assert names == ["local", "corp"]
    body = {"username": "zoe", "password": "sesame open"}
    response = sekisho.request("POST", "/v1/login/corp", body=body)
    assert response.status == 200
    user = sekisho.request("GET", "/v1/me", token=response.json()["token"]).json()
    assert user["principals"] == [
        {"id": "example_user://1", "provider": "corp", "display_name": "zoe", "refresh": "ok"}
    ]
    assert user["groups"] == [
        {"id": "example_group://staff", "provider": "corp", "display_name": "Staff"}
    ]
    again = sekisho.request("POST", "/v1/login/corp", body=body).json()["user"]
    assert again["id"] == user["id"]
    wrong = sekisho.request("POST", "/v1/login/corp", body=body | {"password": "wrong"})
    assert wrong.status == 401
    assert sekisho.request("POST", "/v1/login/local", body=body).status == 401


def test_settings_of_installed_provider_are_checked(sekisho: Sekisho) -> None:
    config = sekisho.config.read_text()
    sekisho.config.write_text(config.replace("username: zoe", "usernam: zoe"))
    completed = sekisho.run("check-config", check=False)
    assert completed.returncode == 1
    assert "providers[1].usernam: is not a setting; did you mean username?" in completed.stderr
    assert "providers[1].username: is missing; give it a value" in completed.stderr
    sekisho.config.write_text(config)


def test_installed_type_is_described_and_its_settings_can_be_tried(sekisho: Sekisho) -> None:
    sekisho.create_user("root", "--admin")
    root = sekisho.token("root")
    types = sekisho.request("GET", "/v1/provider-types", token=root).json()["items"]
    found = next(one for one in types if one["type"] == "example")
    assert found["distribution"] == "sekisho-provider-example"
    assert found["settings"]["required"] == ["username", "password"]
    assert found["settings"]["secrets"] == ["password"]

    def tried(password: str) -> dict[str, str]:
        body = {
            "settings": {"username": "mia", "password": "open sesame"},
            "username": "mia",
            "password": password,
        }
        path = "/v1/provider-types/example/test"
        result: dict[str, str] = sekisho.request("POST", path, token=root, body=body).json()
        return result

    assert tried("open sesame")["outcome"] == "accepted"
    assert [tried("wrong")["outcome"] for _ in range(5)] == ["refused"] * 5
    throttled = tried("open sesame")
    assert (throttled["outcome"], "too many attempts" in throttled["reason"]) == (
        "unavailable",
        True,
    )
    users = sekisho.request("GET", "/v1/users?search=mia", token=root).json()["items"]
    assert users == []
