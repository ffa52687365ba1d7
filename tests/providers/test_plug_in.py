"""A provider from another package: installed, found, and signed in through."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts.sekisho import Sekisho, free_port, make_sekisho
from tests.providers.test_contract import EXAMPLE


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Where the example package is installed, by pip, as anybody would."""
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
    made = make_sekisho(
        tmp_path,
        (free_port(), free_port()),
        "providers:\n"
        "- {type: local, name: local}\n"
        "- {type: example, name: corp, person: zoe, secret_file: secret}\n",
    )
    made.environment["PYTHONPATH"] = str(installed)
    made.start()
    yield made
    made.stop()


def test_a_person_signs_in_through_an_installed_provider(sekisho: Sekisho) -> None:
    names = [one["name"] for one in sekisho.ask("GET", "/v1/providers").json()["items"]]
    assert names == ["local", "corp"]
    body = {"username": "zoe", "password": "sesame open"}
    answer = sekisho.ask("POST", "/v1/login/corp", body=body)
    assert answer.status == 200
    me = sekisho.ask("GET", "/v1/me", token=answer.json()["token"]).json()
    assert me["principals"] == [
        {"id": "example_user://1", "provider": "corp", "display_name": "zoe"}
    ]
    assert me["groups"] == [
        {"id": "example_group://staff", "provider": "corp", "display_name": "Staff"}
    ]
    again = sekisho.ask("POST", "/v1/login/corp", body=body).json()["user"]
    assert again["id"] == me["id"]
    wrong = sekisho.ask("POST", "/v1/login/corp", body=body | {"password": "wrong"})
    assert wrong.status == 401
    assert sekisho.ask("POST", "/v1/login/local", body=body).status == 401


def test_its_settings_are_checked_with_all_others(sekisho: Sekisho) -> None:
    config = sekisho.config.read_text()
    sekisho.config.write_text(config.replace("person: zoe", "persn: zoe"))
    done = sekisho.run("check-config", check=False)
    assert done.returncode == 1
    assert "providers[1].persn: is not a setting; did you mean person?" in done.stderr
    assert "providers[1].person: is missing; give it a value" in done.stderr
    sekisho.config.write_text(config)
