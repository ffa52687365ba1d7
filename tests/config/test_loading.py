"""Tests of loading settings from a file and the environment."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from config.listen import Listen
from config.loading import load, settings_or_raise
from config.problems import ConfigError
from config.settings import Settings
from tests.support.permissions import make_world_readable


def problems(folder: Path, text: str, **environment: str) -> list[str]:
    """What is wrong, a line each, without the folder's name."""
    (folder / "sekisho.yaml").write_text(text)
    loaded = load(str(folder / "sekisho.yaml"), environment)
    return [str(problem).replace(f"{folder}/", "") for problem in loaded.problems]


def settings(folder: Path, text: str, **environment: str) -> Settings:
    (folder / "sekisho.yaml").write_text(text)
    return settings_or_raise(load(str(folder / "sekisho.yaml"), environment))


def test_load_without_a_file_returns_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = settings_or_raise(load(None, {}))
    assert found.server.listen == Listen("127.0.0.1", 8443)
    assert found.external_url == "https://127.0.0.1:8443"
    assert found.store_url == f"sqlite:///{tmp_path}/sekisho-data/sekisho.db"
    assert [entry.type for entry in found.providers] == ["local"]


def test_load_reports_every_problem_with_line_and_remedy(tmp_path: Path) -> None:
    text = """\
server:
  listen: 8443
  external_ur: "x"
  tls: {cert_file: a.pem}
store:
  encryption_keys_file: nope.key
providers:
  - {type: local, name: Local!}
upstream: {connect_timeout: 3x}
"""
    assert problems(tmp_path, text, SEKISHO_LOG__LEVEL="loud") == [
        f"{place}: {message}"
        for place, message in (
            (
                "sekisho.yaml:6: store.encryption_keys_file",
                "the file nope.key does not exist; create it or correct the path",
            ),
            (
                "sekisho.yaml:2: server.listen",
                "'8443' is not host:port; write it like 127.0.0.1:8443 or :8443",
            ),
            (
                "sekisho.yaml:4: server.tls",
                "cert_file and key_file go together; give both, or neither",
            ),
            (
                "sekisho.yaml:3: server.external_ur",
                "is not a setting; did you mean external_url?",
            ),
            (
                "sekisho.yaml:8: providers[0].name",
                "must be 1 to 32 of a-z, 0-9 and -, and not begin or end with -",
            ),
            (
                "sekisho.yaml:9: upstream.connect_timeout",
                "'3x' is not a duration; write it like 30s, 8h, 1h30m or 90d",
            ),
            (
                "environment variable SEKISHO_LOG__LEVEL: log.level",
                "Input should be 'debug', 'info', 'warning' or 'error'",
            ),
        )
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("server: {listen: a:1\n", "sekisho.yaml:2: is not valid YAML"),
        ("server:\n\tlisten: x", "sekisho.yaml:2: is not valid YAML"),
        ("- a\n- b", "sekisho.yaml:1: must hold settings"),
        ("server: nothing", "sekisho.yaml:1: server: must hold settings"),
        ("a: 1\n---\nb: 2", "is not valid YAML"),
        ("server: {}\nserver: {}", "sekisho.yaml:2: server: occurs twice"),
        ("x: &a [1]\ny: [*a, *a]", "sekisho.yaml:1: x: is not a setting"),
        ("server: {workers: 0}", "server.workers: must be a number from 1 to 256, or auto"),
        ("server: {external_url: 'http://gate.example.com'}", "must begin with https://"),
        ("server: {external_url: 'https://a/b'}", "must have no path"),
        ("providers: []", "at least one provider"),
        ("providers: [{type: a, name: x}, {type: b, name: x}]", "two providers are named 'x'"),
        ("store: {encryption_keys: a, encryption_keys_file: b}", "are both set"),
    ],
)
def test_load_reports_an_invalid_value_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    assert message in "\n".join(problems(tmp_path, text))


def test_load_of_an_alias_bomb_returns_quickly(tmp_path: Path) -> None:
    levels = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "too large" in problems(tmp_path, "\n".join(levels))[0]


def test_load_of_a_missing_file_reports_it(tmp_path: Path) -> None:
    loaded = load(str(tmp_path / "none.yaml"), {})
    assert "does not exist" in str(loaded.problems[0])
    with pytest.raises(ConfigError):
        settings_or_raise(loaded)


@contextmanager
def not_root() -> Iterator[None]:
    """As a user whom file modes mean something to."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_load_with_an_unreadable_secret_file_reports_it(tmp_path: Path) -> None:
    (tmp_path / "k").write_text("x")
    (tmp_path / "k").chmod(0)
    (tmp_path / "sekisho.yaml").write_text("store: {encryption_keys_file: k}")
    make_world_readable(tmp_path)
    with not_root():
        [problem] = load(str(tmp_path / "sekisho.yaml"), {}).problems
    assert "k; change its permissions" in str(problem)


def test_environment_overrides_the_file_and_is_named_in_problems(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        "server: {listen: 'a:1'}",
        SEKISHO_SERVER__LISTEN="b:2",
        SEKISHO_SESSIONS__TTL="1h",
        SEKISHO_PROVIDERS='[{"type":"local","name":"here"}]',
        SEKISHO_CACHE="/x",
        SEKISHO_SOMETHING_ELSE="y",
    )
    assert found.server.listen == Listen("b", 2)
    assert found.sessions.ttl == timedelta(hours=1)
    assert found.providers[0].name == "here"
    assert "SEKISHO_SERVER__LISTN" in problems(tmp_path, "", SEKISHO_SERVER__LISTN="x:1")[0]
    assert "valid JSON" in problems(tmp_path, "", SEKISHO_PROVIDERS="[{]")[0]


def test_secret_from_a_file_is_never_shown(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("c2VjcmV0\n")
    found = settings(tmp_path, "store: {encryption_keys_file: key}")
    assert found.store.encryption_keys is not None
    assert found.store.encryption_keys.get_secret_value() == "c2VjcmV0"
    assert "c2VjcmV0" not in repr(found)
    (tmp_path / "env-key").write_text("ZW52")
    name = str(tmp_path / "env-key")
    found = settings(tmp_path, "", SEKISHO_STORE__ENCRYPTION_KEYS_FILE=name)
    assert found.store.encryption_keys is not None
    assert found.store.encryption_keys.get_secret_value() == "ZW52"


def test_paths_are_relative_to_the_config_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = settings(tmp_path, "data_dir: state\nstore: {url: 'sqlite:///x.db'}")
    assert found.data_dir == tmp_path / "state"
    assert found.store_url == f"sqlite:///{tmp_path}/x.db"
    found = settings(tmp_path, "", SEKISHO_DATA_DIR="state")
    assert found.data_dir == tmp_path / "elsewhere" / "state"


def test_load_with_kept_text_ignores_the_file(tmp_path: Path) -> None:
    file = tmp_path / "sekisho.yaml"
    file.write_text("server: {workers: 2}\ndata_dir: here")
    before = load(str(file), {})
    file.write_text("server: nonsense")
    again = load(str(file), {}, kept=before.text)
    assert again.settings == before.settings
    assert again.settings is not None
    assert again.settings.data_dir == tmp_path / "here"
    assert load(str(tmp_path / "none.yaml"), {}, kept="").problems == ()
