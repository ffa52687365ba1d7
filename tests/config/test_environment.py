"""Tests of settings from the environment."""

from pathlib import Path

import pytest

from config.listen import Listen
from config.loading import Loaded, load


def loaded(folder: Path, text: str = "", **environment: str) -> Loaded:
    (folder / "sekisho.yaml").write_text(text)
    return load(str(folder / "sekisho.yaml"), environment)


def problem(folder: Path, text: str = "", **environment: str) -> str:
    """The one line that says what is wrong, without the folder's name."""
    [found] = loaded(folder, text, **environment).problems
    return str(found).replace(f"{folder}/", "")


def test_variable_with_an_address_in_brackets_is_text(tmp_path: Path) -> None:
    settings = loaded(tmp_path, SEKISHO_SERVER__LISTEN="[::1]:8443").settings
    assert settings is not None
    assert settings.server.listen == Listen("::1", 8443)


def test_variable_of_a_section_is_json_and_variables_of_values_override_it(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path, SEKISHO_SERVER='{"listen": ":1", "workers": 1}', SEKISHO_SERVER__LISTEN=":2"
    ).settings
    assert settings is not None
    assert settings.server.listen == Listen(None, 2)


def test_variable_sets_a_value_in_an_empty_section(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "server:\n  # listen: x\n", SEKISHO_SERVER__LISTEN=":2").settings
    assert settings is not None
    assert settings.server.listen == Listen(None, 2)


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("SEKISHO_SERVER_LISTEN", "SEKISHO_SERVER__LISTEN"),
        ("SEKISHO_SERVER_TLS_KEY_FILE", "SEKISHO_SERVER__TLS__KEY_FILE"),
        ("SEKISHO_STORE_ENCRYPTION_KEYS_FILE", "SEKISHO_STORE__ENCRYPTION_KEYS_FILE"),
    ],
)
def test_variable_with_one_underscore_for_two_is_reported(
    tmp_path: Path, variable: str, meant: str
) -> None:
    assert problem(tmp_path, **{variable: "x"}) == (
        f"environment variable {variable}: is not a setting; did you mean {meant}?"
    )


def test_variables_of_a_kubernetes_service_are_ignored(tmp_path: Path) -> None:
    assert not loaded(
        tmp_path,
        SEKISHO_SERVICE_HOST="10.0.0.1",
        SEKISHO_PORT="tcp://10.0.0.1:443",
        SEKISHO_METRICS_SERVICE_PORT="9443",
        SEKISHO_METRICS_PORT_9443_TCP_ADDR="10.0.0.1",
    ).problems


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("SEKISHO_SERVER__LISTN", "x:1", "server.listn: is not a setting; did you mean listen?"),
        ("SEKISHO_SERVER__", "x", "has an empty part; write it like SEKISHO_SERVER__LISTEN"),
        ("SEKISHO_PROVIDERS", "[{]", "begins like JSON but is not valid JSON; correct it"),
        (
            "SEKISHO_UPSTREAM__CONNECT_TIMEOUT",
            "5",
            "'5' is not a duration; write it like 30s, 8h, ",
        ),
    ],
)
def test_invalid_variable_is_reported_by_name(
    tmp_path: Path, variable: str, text: str, message: str
) -> None:
    line = problem(tmp_path, **{variable: text})
    assert line.startswith(f"environment variable {variable}: ")
    assert message in line


def test_variable_of_a_list_element_is_rejected(tmp_path: Path) -> None:
    text = "providers: [{type: local, name: local}]"
    line = problem(tmp_path, text, SEKISHO_PROVIDERS__0__NAME="x")
    assert "set the whole value instead" in line


def test_problem_of_an_overridden_value_names_the_variable(tmp_path: Path) -> None:
    text = "providers:\n- {type: local, name: here}\n"
    line = problem(tmp_path, text, SEKISHO_PROVIDERS='[{"type": "local", "name": "No!"}]')
    assert line.startswith("environment variable SEKISHO_PROVIDERS: providers[0].name: must be")


def test_server_of_the_command_line_is_not_a_setting(tmp_path: Path) -> None:
    found = loaded(tmp_path, SEKISHO_SERVER="https://sekisho.example", SEKISHO_TOKEN="token-a:b")
    assert (found.problems, found.values) == ((), {})
