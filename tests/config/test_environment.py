"""The environment over the file."""

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


def test_an_address_in_brackets_is_not_json(tmp_path: Path) -> None:
    settings = loaded(tmp_path, SEKISHO_SERVER__LISTEN="[::1]:8443").settings
    assert settings is not None
    assert settings.server.listen == Listen("::1", 8443)


def test_a_whole_section_is_json_and_single_values_go_over_it(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path, SEKISHO_SERVER='{"listen": ":1", "workers": 1}', SEKISHO_SERVER__LISTEN=":2"
    ).settings
    assert settings is not None
    assert settings.server.listen == Listen(None, 2)


def test_an_empty_section_in_the_file_takes_values(tmp_path: Path) -> None:
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
def test_one_underscore_for_two_is_told(tmp_path: Path, variable: str, meant: str) -> None:
    assert problem(tmp_path, **{variable: "x"}) == (
        f"environment variable {variable}: is not a setting; did you mean {meant}?"
    )


def test_what_kubernetes_puts_beside_a_service_of_that_name_is_not_ours(tmp_path: Path) -> None:
    assert not loaded(
        tmp_path,
        SEKISHO_SERVICE_HOST="10.0.0.1",
        SEKISHO_PORT="tcp://10.0.0.1:443",
        SEKISHO_METRICS_SERVICE_PORT="9443",
        SEKISHO_METRICS_PORT_9443_TCP_ADDR="10.0.0.1",
    ).problems


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("SEKISHO_SERVER__LISTN", "x:1", "server.listn: is not a setting; did you mean listen?"),
        ("SEKISHO_SERVER__", "x", "has an empty part; write it like SEKISHO_SERVER__LISTEN"),
        ("SEKISHO_PROVIDERS", "[{]", "begins like JSON and is not valid JSON; mend it"),
        ("SEKISHO_GATE__CONNECT_TIMEOUT", "5", "'5' is not a duration; write it like 30s, 8h, "),
    ],
)
def test_a_wrong_variable_is_named(tmp_path: Path, variable: str, text: str, said: str) -> None:
    line = problem(tmp_path, **{variable: text})
    assert line.startswith(f"environment variable {variable}: ")
    assert said in line


def test_an_element_of_a_list_is_not_set_by_itself(tmp_path: Path) -> None:
    text = "providers: [{type: local, name: local}]"
    line = problem(tmp_path, text, SEKISHO_PROVIDERS__0__NAME="x")
    assert "set the whole of it instead" in line


def test_what_the_environment_replaced_is_not_blamed_on_the_file(tmp_path: Path) -> None:
    text = "providers:\n- {type: local, name: here}\n"
    line = problem(tmp_path, text, SEKISHO_PROVIDERS='[{"type": "local", "name": "No!"}]')
    assert line.startswith("environment variable SEKISHO_PROVIDERS: providers[0].name: must be")
