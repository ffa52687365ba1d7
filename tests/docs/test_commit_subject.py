"""The commit-msg hook refuses long subjects, and pre-commit installs it."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
HOOK = ROOT / ".ci/check_subject.py"
CONFIG = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())


def run(message: str, folder: Path) -> subprocess.CompletedProcess[str]:
    file = folder / "COMMIT_EDITMSG"
    file.write_text(message)
    return subprocess.run([sys.executable, HOOK, file], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "message",
    [
        "a" * 72,
        "ü" * 72,
        "Short\n\n" + "b" * 100,
        "# " + "c" * 100 + "\n\nShort",
        'Revert "' + "d" * 70 + '"',
        "Short\n# ------------------------ >8 ------------------------\n" + "e" * 100,
    ],
)
def test_subject_of_at_most_72_characters_passes(message: str, tmp_path: Path) -> None:
    assert run(message, tmp_path).returncode == 0


@pytest.mark.parametrize("message", ["a" * 73, "\n# comment\n" + "b" * 73 + "\n\nBody"])
def test_longer_subject_is_refused_with_its_length(message: str, tmp_path: Path) -> None:
    ended = run(message, tmp_path)
    assert ended.returncode == 1
    assert "73 characters, 72 are allowed" in ended.stderr


def test_pre_commit_installs_both_kinds_of_hooks() -> None:
    assert CONFIG["default_install_hook_types"] == ["pre-commit", "commit-msg"]
    hooks = {hook["id"]: hook for repo in CONFIG["repos"] for hook in repo["hooks"]}
    assert hooks["subject"]["stages"] == ["commit-msg"]
    assert hooks["subject"]["entry"].endswith(".ci/check_subject.py")
