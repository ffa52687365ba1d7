"""Tests of errors for renamed settings."""

from pathlib import Path

import pytest
import yaml

from config.cluster_settings import UpstreamSettings
from config.loading import load
from config.renamed_settings import RENAMED
from config.settings import Settings

ROWS = {".".join(old): ".".join(new) for old, new in RENAMED.items()}
"""Every row of the table, as an operator writes it."""

SETTINGS = {old: new for old, new in ROWS.items() if old != "gate"} | {
    f"gate.{name}": f"upstream.{name}" for name in UpstreamSettings.model_fields
}
"""The same, with the settings of a section in place of the section."""


def problems(folder: Path, text: str, environment: dict[str, str]) -> list[str]:
    (folder / "sekisho.yaml").write_text(text)
    loaded = load(str(folder / "sekisho.yaml"), environment)
    return [str(problem).replace(f"{folder}/", "") for problem in loaded.problems]


def written(path: str) -> str:
    """Return YAML with a value at ``path``."""
    tree: object = "x"
    for part in reversed(path.split(".")):
        tree = {part: tree}
    return yaml.safe_dump(tree)


def variable(path: str) -> str:
    return f"SEKISHO_{path.replace('.', '__').upper()}"


@pytest.mark.parametrize(("old", "new"), SETTINGS.items())
def test_old_key_in_file_names_the_new_key(tmp_path: Path, old: str, new: str) -> None:
    [problem] = problems(tmp_path, written(old), {})
    assert problem.startswith("sekisho.yaml:")
    assert f": {old}: this setting is now {new}" in problem


@pytest.mark.parametrize(("old", "new"), SETTINGS.items())
def test_old_variable_names_the_new_variable(tmp_path: Path, old: str, new: str) -> None:
    [problem] = problems(tmp_path, "", {variable(old): "x"})
    assert problem.startswith(f"environment variable {variable(old)}: {old}: ")
    assert f"this setting is now {new} ({variable(new)})" in problem


@pytest.mark.parametrize("old", ROWS)
def test_old_key_without_value_is_reported(tmp_path: Path, old: str) -> None:
    [problem] = problems(tmp_path, written(old).replace(": x", ":"), {})
    assert f": {old}: this setting is now {ROWS[old]}" in problem


def test_number_that_became_a_duration_shows_the_format(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, "limits: {overload: {late_ms: 30}}", {})
    assert problem.endswith("is now limits.overload.lag_threshold, a duration like 30ms")


@pytest.mark.parametrize("path", [*RENAMED, *RENAMED.values()])
def test_only_the_new_path_is_a_setting(path: tuple[str, ...]) -> None:
    model: object = Settings()
    for part in path[:-1]:
        model = getattr(model, part)
    assert hasattr(model, path[-1]) == (path in RENAMED.values())


def test_old_and_new_key_together_are_one_problem(tmp_path: Path) -> None:
    text = "audit: {to: stdout, output: file}"
    assert problems(tmp_path, text, {}) == [
        "sekisho.yaml:1: audit.to: this setting is now audit.output"
    ]
