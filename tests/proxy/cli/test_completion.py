"""Completion in shells: commands from the program, names from the server, or nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from proxy.cli.main import main
from tests.proxy.cli.verbs.conftest import CommandLine, World, prepared_world, root, world

__all__ = ["prepared_world", "root", "world"]


def complete(line: CommandLine, words: str) -> list[str]:
    """Return what bash would suggest for the last of ``words``."""
    environment = {
        **os.environ,
        **line.environment,
        "XDG_CONFIG_HOME": str(line.home),
        "_SEKISHO_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    program = "from proxy.cli.main import main; main(prog_name='sekisho')"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
        env=environment,
    )
    assert done.stderr == ""
    return [one.partition(",")[2] for one in done.stdout.split()]


def test_names_of_the_server_are_suggested(world: World, root: CommandLine) -> None:
    assert complete(root, "sekisho clu") == ["clusters", "cluster"]
    assert complete(root, "sekisho cluster show p") == ["prod"]
    assert complete(root, "sekisho member list --cluster ") == ["prod", "test"]
    assert complete(root, "sekisho user show al") == ["alice"]
    assert complete(root, "sekisho server use 127") == [f"127.0.0.1:{world.server.port}"]


def test_nothing_is_suggested_when_the_server_fails(world: World, tmp_path: Path) -> None:
    line = CommandLine(world.server, tmp_path)
    assert complete(line, "sekisho cluster show p") == []
    line.environment = {"SEKISHO_SERVER": "https://127.0.0.1:1", "SEKISHO_TOKEN": "token-a:b"}
    assert complete(line, "sekisho cluster show p") == []
    (tmp_path / "sekisho").mkdir()
    (tmp_path / "sekisho" / "servers.json").write_text("{")
    assert complete(line, "sekisho server use p") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_is_printed(shell: str) -> None:
    done = CliRunner().invoke(main, ["completion", shell])
    assert done.exit_code == 0
    assert "_SEKISHO_COMPLETE" in done.stdout


def test_bash_accepts_the_script() -> None:
    script = CliRunner().invoke(main, ["completion", "bash"]).stdout
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
